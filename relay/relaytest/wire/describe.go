package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

var methodNames = map[uint16]string{
	typeBinding: "Binding", typeAllocate: "Allocate", typeRefresh: "Refresh",
	typePermission: "CreatePermission", typeChannel: "ChannelBind",
	typeSend: "Send", typeData: "Data",
}

var attrNames = map[uint16]string{
	attrChangeRequest: "CHANGE-REQUEST", attrUsername: "USERNAME", attrIntegrity: "MESSAGE-INTEGRITY",
	attrErrorCode: "ERROR-CODE", attrUnknown: "UNKNOWN-ATTRIBUTES", attrChannel: "CHANNEL-NUMBER",
	attrLifetime: "LIFETIME", attrBandwidth: "BANDWIDTH", attrPeer: "XOR-PEER-ADDRESS", attrData: "DATA",
	attrRealm: "REALM", attrNonce: "NONCE", attrRelayed: "XOR-RELAYED-ADDRESS", attrFamily: "REQUESTED-ADDRESS-FAMILY",
	attrEvenPort: "EVEN-PORT", attrTransport: "REQUESTED-TRANSPORT", attrMapped: "XOR-MAPPED-ADDRESS",
	attrToken: "RESERVATION-TOKEN", attrPriority: "PRIORITY", attrUseCandidate: "USE-CANDIDATE",
	attrSoftware: "SOFTWARE", attrFingerprint: "FINGERPRINT", attrControlled: "ICE-CONTROLLED",
}

func attrName(typ uint16) string {
	if name, ok := attrNames[typ]; ok {
		return name
	}
	return fmt.Sprintf("%#04x", typ)
}

// summary is what a response says in a word.
func summary(b []byte) string {
	switch {
	case len(b) < headerSize || b[0]>>6 != 0:
		return fmt.Sprintf("%x", b)
	case codeOf(b) < 0:
		return "error without a code"
	case codeOf(b) > 0:
		return fmt.Sprint(codeOf(b))
	}
	return "success"
}

// attrText is an attribute as a page shows it: with a value where that says
// something.
func attrText(typ uint16, v, header []byte) string {
	name := attrName(typ)
	switch typ {
	case attrPeer, attrRelayed, attrMapped:
		a, ok := readXOR(v, header)
		if ok && v[1] == byte(len(v)/12+1) { // the size is the family's own
			return name + " " + a.String()
		}
		return name + " " + hexText(v)
	case attrRealm:
		switch {
		case string(v) == usualRealm:
			return name
		case len(v) <= 40:
			return fmt.Sprintf("%s %q", name, v)
		}
	case attrData:
		return fmt.Sprintf("%s %q", name, v)
	case attrLifetime:
		if len(v) == 4 {
			return fmt.Sprintf("%s %d", name, binary.BigEndian.Uint32(v))
		}
	case attrTransport, attrFamily:
		if len(v) == 4 {
			return fmt.Sprintf("%s %d", name, v[0])
		}
	case attrChannel, attrEvenPort:
		return name + " " + hexText(v)
	case attrUnknown:
		return name + unknownText(v)
	case attrUsername, attrNonce, attrIntegrity, attrFingerprint, attrToken:
		if usual := usualSize(typ, len(v)); usual {
			return name
		}
	}
	if len(v) == 1 {
		return name + " of 1 byte"
	}
	return fmt.Sprintf("%s of %d bytes", name, len(v))
}

// unknownText lists the types of UNKNOWN-ATTRIBUTES.
func unknownText(v []byte) (text string) {
	for ; len(v) >= 2; v = v[2:] {
		text += " " + attrName(binary.BigEndian.Uint16(v))
	}
	return text
}

// usualSize reports whether the size of an attribute needs no mention.
func usualSize(typ uint16, n int) bool {
	switch typ {
	case attrIntegrity:
		return n == 20
	case attrFingerprint:
		return n == 4
	case attrToken:
		return n == 8
	}
	return n > 0 && n <= 40
}

// usualRealm is that of all servers of the table.
const usualRealm = "example.org"

// credentials are the attributes that go together on a signed request.
const credentials = "USERNAME, REALM, NONCE, MESSAGE-INTEGRITY"

// Describe puts a message in words.
func Describe(b []byte) string {
	if len(b) >= 4 && b[0] == 0x40 {
		return "ChannelData " + hexText(b)
	}
	name, known := methodNames[typeOf(b)]
	if !known || int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize || binary.BigEndian.Uint32(b[4:]) != magicCookie {
		return hexText(b)
	}
	var parts []string
	left := len(b) - headerSize
	for _, a := range attributes(b) {
		parts = append(parts, attrText(a.typ, a.value, b))
		left -= 4 + (len(a.value)+3)&^3
	}
	if left > 0 {
		parts = append(parts, hexText(b[len(b)-left:]))
	}
	all := strings.Replace(shorten(parts), credentials, whose(b)+" credentials", 1)
	if all == "" {
		return name
	}
	return name + ": " + all
}

// whose names the user of a signed request.
func whose(b []byte) string {
	v, _ := find(b, attrUsername)
	return "*" + string(v[bytes.LastIndexByte(v, ':')+1:]) + "'s*"
}

// shorten joins parts, the same ones counted.
func shorten(parts []string) string {
	var out []string
	for i := 0; i < len(parts); {
		n := i + 1
		for n < len(parts) && strings.Fields(parts[n])[0] == strings.Fields(parts[i])[0] {
			n++
		}
		if n-i > 3 {
			out = append(out, fmt.Sprintf("%d x %s", n-i, strings.Fields(parts[i])[0]))
		} else {
			out = append(out, parts[i:n]...)
		}
		i = n
	}
	return strings.Join(out, ", ")
}

// describeAnswer puts a response in words; the method is the request's.
func describeAnswer(b []byte) string {
	if len(b) < headerSize || b[0]>>6 != 0 || typeOf(b) == typeData {
		return Describe(b)
	}
	var parts []string
	for _, a := range attributes(b) {
		switch a.typ {
		case attrErrorCode: // the summary says it
		case attrIntegrity:
			parts = append(parts, "signed")
		default:
			parts = append(parts, attrText(a.typ, a.value, b))
		}
	}
	if len(parts) == 0 {
		return summary(b)
	}
	return summary(b) + ": " + strings.Join(parts, ", ")
}

func typeOf(b []byte) uint16 {
	if len(b) < headerSize {
		return 0xFFFF
	}
	return binary.BigEndian.Uint16(b)
}

// hexText is bytes in hex; of many the first ones.
func hexText(b []byte) string {
	const most = 28
	if len(b) == 0 {
		return "(no bytes)"
	}
	if len(b) > most {
		return fmt.Sprintf("`%x`... (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("`%x`", b)
}
