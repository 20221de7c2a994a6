package wire

func credentialCases() []Case {
	is401 := challenge(401)
	return []Case{
		{"no credentials", "8489 §9.2.3.1", 0, 0, []Step{ask(allocate()).get(is401.atMost(2.4))}},
		{"no credentials, FINGERPRINT is mirrored", "8489 §7", 0, 0, []Step{ask(allocate(fingerprint)).get(is401)}},
		{"no credentials on other methods", "8656 §5", 0, 0, []Step{
			ask(refresh(lifetime(0))).get(is401), ask(permit(peer(thePeer))).get(is401), ask(bind(0x4000, peer(thePeer))).get(is401)}},
		{"20 bytes: a 400, since the 401 is three times as long", "8489 §9.2.4, not followed", UDP, 0, []Step{ask(message(typeAllocate, nil)).get(failure(400).atMost(1.4))}},
		{"20 bytes where no address is forged", "8489 §9.2.4", Streams, 0, []Step{ask(message(typeAllocate, nil)).get(is401)}},
		{"wrong, unknown and expired look the same", "8489 §9.2.4", 0, 0, []Step{
			ask(allocate(by(wrong))).get(is401), ask(allocate(by(unknown))).get(is401), ask(allocate(by(Expired))).get(is401)}},
		{"the usernames of Jitsi, Synapse and coturn", "", 0, 0, []Step{
			ask(allocate(by(Jitsi))).get(allocated(600).under(Jitsi)), ask(allocate(by(Synapse))).at("b").get(allocated(600).under(Synapse)),
			ask(allocate(by(Swapped))).at("c").get(allocated(600).under(Swapped))}},
		{"a bit of MESSAGE-INTEGRITY turned", "8489 §9.2.4", 0, 0, []Step{ask(allocate(by(Alice), turn)).get(is401)}},
		{"the realm of somebody else", "8489 §9.2.4", 0, 0, []Step{
			ask(allocate(byRealm(Alice, "example.com"))).get(is401), ask(allocate(byRealm(Alice, "example.com"), signedHere(Alice))).get(is401)}},
		{"our realm in capitals", "8489 §14.9", 0, 0, []Step{ask(allocate(byRealm(Alice, "EXAMPLE.ORG"))).get(is401)}},
		{"MESSAGE-INTEGRITY without USERNAME", "8489 §9.2.4", 0, 0, []Step{ask(allocate(without(attrUsername))).get(failure(400))}},
		{"MESSAGE-INTEGRITY without REALM", "8489 §9.2.4", 0, 0, []Step{ask(allocate(without(attrRealm))).get(failure(400))}},
		{"MESSAGE-INTEGRITY without NONCE", "8489 §9.2.4", 0, 0, []Step{ask(allocate(without(attrNonce))).get(failure(400))}},
		{"a nonce that nobody gave", "8489 §9.2.4", 0, 0, []Step{
			ask(allocate(byNonce(Alice, "AAAAAAAAAAAAAAAA"))).get(challenge(438)),
			ask(allocate(byNonce(Alice, ""))).get(challenge(438)),
			ask(allocate(byNonce(Alice, string(text(40))))).get(challenge(438))}},
		{"an old nonce, then the new one", "8489 §9.2.4", 0, 0, []Step{
			ask(allocate(byOld(Alice))).get(challenge(438)), session(Alice)}},
		{"an old nonce on a live allocation", "8489 §9.2.4", 0, 0, []Step{
			session(Alice), ask(refresh(byOld(Alice))).get(challenge(438)), ask(refresh(by(Alice))).get(success(life(600)).under(Alice))}},
		{"the nonce of another port", "8489 §9.2", 0, 0, []Step{
			given(ask(allocate()).at("b").get(is401)), ask(allocate(byNonceOf(Alice, "b"))).get(challenge(438))}},
		{"the nonce of another transport", "8489 §9.2", 0, 0, []Step{ask(allocate(byForeign(Alice))).get(challenge(438))}},
		{"an attribute behind MESSAGE-INTEGRITY is not there", "8489 §14.5", 0, 0, []Step{
			session(Alice), ask(permit(by(Alice), peer(thePeer))).get(refused(400))}},
		{"nor is an unknown one", "8489 §14.5", 0, 0, []Step{ask(allocate(by(Alice), attr(0x7FFF))).get(allocated(600).under(Alice))}},
		{"the first USERNAME counts", "8489 §14", 0, 0, []Step{
			ask(allocate(user(Bob), by(Alice))).get(is401)}},
		{"who signs is asked before what is asked", "8489 §9.2.4", 0, 0, []Step{
			ask(allocate(attr(0x7FFF))).get(is401), ask(allocate(attr(0x7FFF), by(wrong))).get(is401)}},
		{"then an unknown attribute", "8489 §6.3.1", 0, 0, []Step{
			ask(allocate(attr(0x7FFF), by(Alice))).get(failure(420, unknowns(0x7FFF)).under(Alice)),
			ask(refresh(attr(0x7FFF), by(Alice))).get(failure(420, unknowns(0x7FFF)).under(Alice))}},
		{"FINGERPRINT is mirrored behind MESSAGE-INTEGRITY", "8489 §7", 0, 0, []Step{
			ask(allocate(by(Alice), fingerprint)).get(allocated(600).under(Alice)),
			ask(bind(0x3FFF, peer(thePeer), by(Alice), fingerprint)).get(refused(400))}},
		{"another user on a live allocation", "8656 §5", 0, 0, []Step{
			session(Alice),
			ask(refresh(lifetime(0), by(Bob))).get(failure(441).under(Bob)),
			ask(permit(peer(thePeer), by(Bob))).get(failure(441).under(Bob)),
			ask(bind(0x4000, peer(thePeer), by(Bob))).get(failure(441).under(Bob))}},
		{"another user's Allocate on it", "8656 §7.2", 0, 0, []Step{session(Alice), ask(allocate(by(Bob))).get(failure(437).under(Bob))}},
		{"a wrong password leaves the allocation alone", "8489 §9.2.4", 0, 0, []Step{
			session(Alice), ask(refresh(lifetime(0), by(wrong))).get(is401), ask(refresh(by(Alice))).get(success(life(600)).under(Alice))}},
	}
}

// turn spoils the last byte.
func turn(d *draft) { d.b[len(d.b)-1] ^= 1 }

// signedHere signs anew, with the key for our realm.
func signedHere(who Who) Part {
	return func(d *draft) {
		cut(len(d.b) - 24)(d)
		s := d.in.dialog.server
		integrity(s.user(who).key(s.Realm))(d)
	}
}

// byRealm, byNonce and the others are by with one thing other than it should be.
func byRealm(who Who, realm string) Part {
	return func(d *draft) { bySays(who, realm, d.in.challenged())(d) }
}

func byNonce(who Who, nonce string) Part {
	return func(d *draft) { bySays(who, d.in.dialog.server.Realm, nonce)(d) }
}

func byNonceOf(who Who, name string) Part {
	return func(d *draft) { byNonce(who, d.in.dialog.tuples[name].nonce)(d) }
}

// byOld signs with a nonce of eleven minutes ago, byForeign with one that was
// given to the same address and port over another transport.
func byOld(who Who) Part {
	return func(d *draft) { byNonce(who, d.in.past(d.in.dialog.over, 11*60))(d) }
}

func byForeign(who Who) Part {
	return func(d *draft) {
		other := UDP
		if d.in.dialog.over == UDP {
			other = TCP
		}
		byNonce(who, d.in.past(other, 0))(d)
	}
}

// past is a nonce that the server might have given the client seconds ago.
func (in *tuple) past(over Over, seconds int) string {
	if s := in.dialog.server; s.Nonce != nil {
		return s.Nonce(over, in.local, seconds)
	}
	in.err = ErrUnable
	return ""
}

func user(who Who) Part {
	return func(d *draft) { attr(attrUsername, []byte(d.in.dialog.server.user(who).Name)...)(d) }
}

// without signs like alice, but leaves one attribute out.
func without(typ uint16) Part {
	return func(d *draft) {
		s := d.in.dialog.server
		for _, a := range []struct {
			typ  uint16
			text string
		}{{attrUsername, s.user(Alice).Name}, {attrRealm, s.Realm}, {attrNonce, d.in.challenged()}} {
			if a.typ != typ {
				attr(a.typ, []byte(a.text)...)(d)
			}
		}
		integrity(s.user(Alice).key(s.Realm))(d)
	}
}
