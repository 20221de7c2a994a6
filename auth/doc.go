// Package auth decides who holds a credential: the username grammar, the
// keyring, issuing and verifying time-limited credentials, static users, and roles.
//
// It imports the standard library only, does no I/O, and reads no clock: time
// is an argument of every decision.
//
// # Credentials
//
// A credential is a username that begins (or, as coturn has it, ends) with the
// time it expires, and a password that is the padded standard base64 of
// HMAC-SHA1(secret, whole username): draft-uberti-behave-turn-rest-00 §2.2, and
// what coturn and every application that mints for it do. Nobody stores it; the
// username is the claim and the password its signature. See [ParseUsername] for
// the four forms.
//
// There are two sorts of signers, and they never stand in for one another:
//
//   - Issuer keys, held by us alone. Their usernames carry a key id, a role and
//     a credential id after a tilde. The key id picks exactly one key, so a
//     rotation is exact; the role is under the HMAC, so nobody can raise it; the
//     credential id is what records and revocation name. A tenant, if the
//     credential is of one, comes after it, signed as well.
//   - Shared secrets, held by applications too (Synapse, Nextcloud Talk, Jitsi
//     and others). Their usernames name no key, so the secrets are tried in
//     order, at most [MaxShared] of them.
//
// A username with the tilde is ours or nothing: it is never tried under a shared
// secret, or any application could mint itself a role. For the same reason
// [NewKeyring] refuses one secret in both places.
//
// Beside them there are static users ([StaticUser]), for clients that can be given
// a name and a password and nothing else. Their names have no form that a
// time-limited username has ([CheckStaticName]), so neither can be taken for the
// other, and their passwords are held to what a shared secret is held to.
//
// # Users
//
// Some applications send no user (Jitsi's username is the bare expiry), some a
// random one for each request (Nextcloud). [Identity.User] is then empty or
// unique, and limits a user mean nothing: the limits of the session and of the
// tenant are what holds. An [IDRule] of the shared secret says so, or which part of
// the username is the user's. A credential that [Issuer.Issue] makes without a user
// has its credential id for one, so that limits a user hold for each credential.
//
// # Revocation
//
// [Revocations] name a credential, a user's credentials from before a time, or all
// that a key has signed. Ours carry their time of issue in their ids. What an
// application mints carries only its expiry, so it is taken to have been made as
// early as MaxTTL and [ClockSkew] let it: nothing from before the time
// passes, and the user's fresh credentials are refused for a while too, namely for
// MaxTTL less the lifetime that the application gives.
//
// # Equal work
//
// RFC 8489 §9.2.4 answers every failed authentication with the same 401, and
// [Verifier.Verify] takes care that the time taken says no more than the answer:
// a malformed, unknown, expired or wrongly signed username costs as many key
// derivations and signature checks as any other username of its sort (ours: one
// of each; else: one of each for every shared secret, and where there are static
// users one signature check more, under the key of that name's user or under
// nobody's). Only success returns early.
//
// # Algorithms
//
// A [Verifier] accepts MD5, SHA-256 or both for the key of a client's messages
// (RFC 8489 §18.5.1). The password is at hand, so both keys can be made of it;
// whoever begins with one may go on with the other. Only of a static user whose
// key was made elsewhere there is no other than that.
//
// MD5 and SHA-1 are the protocol's (RFC 8489 §9.2.2, and the REST convention),
// used as key derivation and in HMAC where no practical forgery is known. What
// an attacker can do is guess a weak secret offline from a single credential,
// so weak secrets are refused at start: see [ParseSecret]. Strict FIPS mode
// (GODEBUG=fips140=only) cannot work with this protocol.
package auth
