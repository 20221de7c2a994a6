package gate

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/pion/stun/v3"
)

// MaxPacket is the largest request read and the largest reply built, in bytes.
const MaxPacket = 1500

const (
	headerSize  = 20
	attrHeader  = 4
	magicCookie = 0x2112A442

	// Bounds of RFC 8489 §14.3 and §14.9. The nonce's is ours: foreign ones may
	// have 763 bytes, but then they are not ours, which is all there is to know.
	// That of RFC 8489 Appendix B.1 fits.
	maxUsername = 508
	maxRealm    = 763
	maxNonce    = 44

	// maxAttributes bounds the walk. It is more than the 123 XOR-PEER-ADDRESS
	// that fit a packet, so that a greedy CreatePermission still hears why.
	maxAttributes = 128

	// maxUnknown is how many unknown attributes a 420 names at most.
	maxUnknown = 8

	fingerprintXOR = 0x5354554e // RFC 8489 §14.7
)

// Of message types: RFC 8489 §5.
const (
	classRequest    = 0
	classIndication = 1
	methodSend      = 0x006
	typeSuccess     = 0x0100
	typeError       = 0x0110
)

// requiredAttrsEnd is where the types end that must be understood (RFC 8489
// §14).
const requiredAttrsEnd stun.AttrType = 0x8000

// attrBandwidth is of drafts of RFC 5766, and still sent. It means nothing.
const attrBandwidth stun.AttrType = 0x0010

// Of dual allocations: RFC 8656 §18.11, §18.12.
const (
	attrAdditionalFamily stun.AttrType = 0x8000
	attrAddressErrorCode stun.AttrType = 0x8001

	// draftAdditionalFamily is the number of the drafts. coturn's clients have no
	// other, and IANA has given it to nobody.
	draftAdditionalFamily stun.AttrType = 0x8032
)

// message is a request whose shape is sound. Its slices point into the packet;
// nil means absent. Values are checked by those who read them.
type message struct {
	raw    []byte
	method Method
	tx     [12]byte

	username, realm, nonce                     []byte
	lifetime, transport, family, channelNumber []byte
	evenPort, token, additional                []byte
	algorithm, algorithms                      []byte // PASSWORD-ALGORITHM and -ALGORITHMS

	unknown  [maxUnknown]uint16
	unknowns int // how many of unknown are used

	dontFragment bool // is understood

	end         int  // where the attributes end that count
	integrity   int  // where the signature begins that counts; 0 is none
	sha256      bool // that is MESSAGE-INTEGRITY-SHA256, not MESSAGE-INTEGRITY
	fingerprint bool

	negotiates bool // what RFC 8489 has added to authentication is read
}

// parse reads a packet. It trusts nothing, allocates nothing, and touches each
// byte at most twice.
func (m *message) parse(b []byte) Reason {
	if r := m.header(b); r != NotDropped {
		return r
	}
	return m.attributes()
}

func (m *message) header(b []byte) Reason {
	switch {
	case len(b) > 0 && b[0]>>6 == 1: // RFC 7983
		return StrayData
	case len(b) < headerSize || b[0]>>6 != 0 || binary.BigEndian.Uint32(b[4:]) != magicCookie:
		return NotSTUN
	case len(b) > MaxPacket:
		return TooLarge
	case len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize:
		return BadLength
	}
	method, class := splitType(binary.BigEndian.Uint16(b))
	switch {
	case class == classIndication && method == methodSend:
		return StraySend
	case class != classRequest:
		// Answering a response is how two servers are set upon each other
		// (CVE-2024-2169); an indication has no answer (RFC 8489 §6.3.2).
		return NotRequest
	}
	var ok bool
	if m.method, ok = methodOf(method); !ok {
		return UnknownMethod
	}
	m.raw = b
	copy(m.tx[:], b[8:])
	return NotDropped
}

// splitType takes a message type apart: the class is two bits in the midst of
// the method's twelve (RFC 8489 §5, figure 3).
func splitType(t uint16) (method, class uint16) {
	method = t&0x000F | t&0x00E0>>1 | t&0x3E00>>2
	class = t&0x0010>>4 | t&0x0100>>7
	return method, class
}

// wire are the methods' numbers. All are below 16, so the number is also the
// type of the request.
var wire = [NumMethods]uint16{
	Binding: 0x001, Allocate: 0x003, Refresh: 0x004, CreatePermission: 0x008, ChannelBind: 0x009,
}

func methodOf(number uint16) (Method, bool) {
	for m, n := range wire {
		if n == number {
			return Method(m), true
		}
	}
	return 0, false
}

// attributes walks over all attributes once.
func (m *message) attributes() Reason {
	m.end = len(m.raw)
	rest := m.raw[headerSize:]
	for i := 0; len(rest) > 0; i++ {
		at := len(m.raw) - len(rest)
		typ, value, after, ok := next(rest)
		if !ok || i == maxAttributes {
			return BadAttributes
		}
		rest = after
		var r Reason
		switch {
		case typ == stun.AttrFingerprint:
			r = m.checkFingerprint(at, value, rest)
		case m.negotiates && typ == stun.AttrMessageIntegritySHA256 && !m.sha256:
			r = m.keepIntegritySHA256(at, value)
		case m.integrity != 0:
			// What follows MESSAGE-INTEGRITY is not covered by it, and
			// ignored (RFC 8489 §14.5).
		case typ == stun.AttrMessageIntegrity:
			if len(value) != sha1.Size {
				return BadAttributes
			}
			m.integrity, m.end = at, at
		default:
			r = m.note(typ, value)
		}
		if r != NotDropped {
			return r
		}
	}
	return NotDropped
}

// keepIntegritySHA256 makes MESSAGE-INTEGRITY-SHA256 the signature that counts,
// also behind a MESSAGE-INTEGRITY (RFC 8489 §9.2.4); what stands between the two
// is ignored all the same. Its value has 32 bytes: fewer are allowed only where a
// usage says so (RFC 8489 §14.6), and RFC 8656 does not.
func (m *message) keepIntegritySHA256(at int, value []byte) Reason {
	if len(value) != sha256.Size {
		return BadAttributes
	}
	if m.integrity == 0 {
		m.end = at
	}
	m.integrity, m.sha256 = at, true
	return NotDropped
}

// next splits the first attribute from b. What follows its padding is rest.
func next(b []byte) (typ stun.AttrType, value, rest []byte, ok bool) {
	if len(b) < attrHeader {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	padded := (n + 3) &^ 3
	if padded > len(b)-attrHeader {
		return 0, nil, nil, false
	}
	typ = stun.AttrType(binary.BigEndian.Uint16(b))
	return typ, b[attrHeader : attrHeader+n], b[attrHeader+padded:], true
}

// checkFingerprint checks the FINGERPRINT at raw[at:]. Nothing follows it, so
// the length in the header is the one it was made with (RFC 8489 §14.7).
func (m *message) checkFingerprint(at int, value, rest []byte) Reason {
	if len(value) != 4 {
		return BadAttributes
	}
	if len(rest) > 0 || binary.BigEndian.Uint32(value) != fingerprint(m.raw[:at]) {
		return BadFingerprint
	}
	m.fingerprint = true
	return NotDropped
}

func fingerprint(b []byte) uint32 { return crc32.ChecksumIEEE(b) ^ fingerprintXOR }

// note keeps an attribute. Of several of a type the first counts (RFC 8489
// §14); XOR-PEER-ADDRESS, which may be repeated, is read by peers.
func (m *message) note(typ stun.AttrType, value []byte) Reason {
	switch typ {
	case stun.AttrUsername:
		return keepShort(&m.username, value, maxUsername)
	case stun.AttrRealm:
		return keepShort(&m.realm, value, maxRealm)
	case stun.AttrNonce:
		return keepShort(&m.nonce, value, maxNonce)
	case stun.AttrLifetime:
		keep(&m.lifetime, value)
	case stun.AttrRequestedTransport:
		keep(&m.transport, value)
	case stun.AttrRequestedAddressFamily:
		keep(&m.family, value)
	case attrAdditionalFamily:
		keep(&m.additional, value)
	case draftAdditionalFamily:
		if len(value) == 4 && Family(value[0]) == IPv6 { // else it may be anything
			keep(&m.additional, value)
		}
	case stun.AttrChannelNumber:
		keep(&m.channelNumber, value)
	case stun.AttrEvenPort:
		keep(&m.evenPort, value)
	case stun.AttrReservationToken:
		keep(&m.token, value)
	case stun.AttrPasswordAlgorithm, stun.AttrPasswordAlgorithms:
		m.noteAlgorithm(typ, value)
	default:
		m.noteUnknown(typ)
	}
	return NotDropped
}

func (m *message) noteAlgorithm(typ stun.AttrType, value []byte) {
	switch {
	case !m.negotiates:
		m.noteUnknown(typ)
	case typ == stun.AttrPasswordAlgorithm:
		keep(&m.algorithm, value)
	default:
		keep(&m.algorithms, value)
	}
}

func keep(field *[]byte, value []byte) {
	if *field == nil {
		*field = value
	}
}

func keepShort(field *[]byte, value []byte, most int) Reason {
	if len(value) > most {
		return LongCredential
	}
	keep(field, value)
	return NotDropped
}

// noteUnknown notes the type for a 420 if it is one that must be understood
// and is not (RFC 8489 §6.3.1).
func (m *message) noteUnknown(typ stun.AttrType) {
	if typ >= requiredAttrsEnd || m.understands(typ) || m.unknowns == maxUnknown {
		return
	}
	if m.hasUnknown(typ) {
		return
	}
	m.unknown[m.unknowns] = uint16(typ)
	m.unknowns++
}

func (m *message) hasUnknown(typ stun.AttrType) bool {
	return slices.Contains(m.unknown[:m.unknowns], uint16(typ))
}

// understands are the types that note does not keep and that may nevertheless be
// there: known but not expected is ignored (RFC 8489 §6.3). CHANGE-REQUEST is
// not among them, nor is DONT-FRAGMENT where it can't be honoured: who asks for
// either must hear that it will not be done.
func (m *message) understands(typ stun.AttrType) bool {
	switch typ {
	case stun.AttrDontFragment:
		return m.dontFragment
	case stun.AttrXORPeerAddress, stun.AttrData, attrBandwidth,
		stun.AttrPriority, stun.AttrUseCandidate, // ICE
		stun.AttrMappedAddress, stun.AttrXORMappedAddress, stun.AttrXORRelayedAddress, // of answers
		stun.AttrErrorCode, stun.AttrUnknownAttributes:
		return true
	case stun.AttrMessageIntegritySHA256, stun.AttrPasswordAlgorithm, stun.AttrUserhash:
		// A Binding is answered to anybody, whatever it is signed with. On a
		// request that is authenticated they would be taken for promises.
		return m.method == Binding
	}
	return false
}
