// Package gate judges every STUN message before anything else sees it.
//
//	packet --> source, shape --> Binding ------------------------------> reply
//	                        `--> MESSAGE-INTEGRITY? nonce? realm? -----> reply 401, 438, 400
//	                                 session, credential --------------> reply 401
//	                                     420, 437, 441, the method ----> reply, signed
//	                                         what is left -------------> forward
//
// [Gate.Judge] is a pure decision: transport, source, bytes and time in; drop,
// reply or forward out. It has no socket, no clock and no goroutine, and runs
// in the socket's own worker loop, from several of them at once. Drops, Binding
// answers and challenges (401, 438) allocate nothing. What it forwards is a
// [Request] of checked values, copied: no byte of a stranger goes further. The
// relay serves it, decides what only the session's tables can tell (quota,
// ports, channel conflicts), and has [Gate.Answer] build the answer.
//
// # What a stranger may cost
//
// The steps are ordered by what they cost. Until a nonce of ours comes back,
// nobody has shown to own their address: the work is one walk over at most
// [MaxPacket] bytes and the answer is small, has no SOFTWARE and no reason
// phrase, and over UDP takes a token of the budget of the source, its network and
// everybody (Options.Replies, Options.Bindings). No token, no reply. No key is
// derived before that.
//
// An unsigned reply over UDP is never more than 2.4 times its request, if the
// realm has 12 characters at most and no password algorithms are offered: a request smaller than the smallest Allocate
// (28 bytes) gets a 400 of 28 bytes and not the 401 that RFC 8489 §9.2.3.1
// would have. No client begins with one. Over TCP and TLS, where addresses
// cannot be forged, it gets the 401.
//
// Nothing but a request is ever answered, so two servers cannot be set upon
// each other (CVE-2024-2169).
//
// # Who is who
//
// Wrong, unknown and expired credentials get the same 401. Whoever holds the
// session of a five-tuple is checked under the session's own key: an expired
// credential refreshes what it began. Another user's valid credential gets 441,
// or 437 for an Allocate. Attributes after MESSAGE-INTEGRITY do not exist, but
// for FINGERPRINT, which is verified.
//
// Who brings a valid nonce is where it says it is, so its answers take no token
// of the strangers: a flood of forged addresses can't silence whoever shares one
// of them. Wrong credentials take one of Options.Failures, which are counted by
// address and port, as nonces are given; when those are spent no key is made for
// that port any more, but for the session's own user, whose one HMAC of about a
// microsecond is what its own address may cost.
//
// # Password algorithms
//
// Where the Verifier accepts MD5 alone none are offered: the nonce has no cookie,
// and MESSAGE-INTEGRITY-SHA256 alone is a request without credentials. Else RFC
// 8489 §9.2 holds. The nonce begins with the cookie, 401 and 438 have
// PASSWORD-ALGORITHMS in the order of the Verifier, and who brings back that and
// a PASSWORD-ALGORITHM of it is answered under MESSAGE-INTEGRITY-SHA256; who
// brings back neither is a client of before, with the key of MD5. Anything
// between is 400: somebody on the way may have it made less than both can do. The
// MAC of the nonce covers the offer, so a nonce with a cookie that was taken off,
// changed or put on is a foreign one. Of two signatures MESSAGE-INTEGRITY-SHA256
// counts, at its whole length. An identity has the keys of all accepted algorithms,
// so that a session may go on with another than it began with.
//
// A 401 is then 80 to 92 bytes for a realm of up to 12, which is 3.3 times the
// smallest Allocate and not 2.4.
//
// # Two families
//
// A session may have a relayed transport address of each family: a dual allocation
// (RFC 8656 §7.1, ADDITIONAL-ADDRESS-FAMILY), which one Allocate asks for. Its peers
// are of both, and a Refresh may name one. Which addresses are to be had is known
// to the relay, which serves what there is: Answer tells of the other in
// ADDRESS-ERROR-CODE. A request may have the attribute by its number in the drafts,
// which is the only one that coturn's clients know.
//
// # Not here
//
// RFC 6062 (TCP relays), RFC 8016 (mobility) and RFC 5780 are not implemented
// on purpose. A USERHASH is answered with 420: the username has claims, and can't
// be had from its hash.
package gate
