package auth

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"
)

// Computed with: printf user:realm:pass | openssl dgst -sha256
func TestDeriveSHA256Key(t *testing.T) {
	const want = "07e934117abd40836e7c6329b54731b2b2d2a5f9a71f544922d75e0730d8251b"
	if got := DeriveSHA256Key("user", "realm", "pass"); hex.EncodeToString(got[:]) != want {
		t.Errorf("%x", got[:])
	}
}

// Who begins with one algorithm may go on with any that is accepted, and with
// no other.
func TestVerifyGivesAllKeys(t *testing.T) {
	name := at(time.Hour) + ":alice"
	word := password(sharedB, name)
	short, long := DeriveKey(name, realm, word), DeriveSHA256Key(name, realm, word)
	for _, c := range []struct {
		accepted []Algorithm
		as       Algorithm
		short    LongTermKey
		long     SHA256Key
	}{
		{nil, MD5, short, SHA256Key{}},
		{[]Algorithm{SHA256}, SHA256, LongTermKey{}, long},
		{[]Algorithm{SHA256, MD5}, SHA256, short, long},
		{[]Algorithm{MD5, SHA256}, MD5, short, long},
	} {
		id, got := mustVerifier(t, valid(t), c.accepted...).Verify(name, now, c.as, func(key []byte) bool {
			return bytes.Equal(key, short[:]) || bytes.Equal(key, long[:])
		})
		if got != OK || id.Key != c.short || id.SHA256Key != c.long {
			t.Errorf("%v: %v, keys %x %x", c.accepted, got, id.Key[:], id.SHA256Key[:])
		}
		for a, want := range map[Algorithm][]byte{MD5: c.short[:], SHA256: c.long[:], 0: nil} {
			if bytes.Equal(want, make([]byte, len(want))) {
				want = nil // a zero key would be known to everybody
			}
			if got := id.KeyOf(a); !bytes.Equal(got, want) || (got == nil) != (want == nil) {
				t.Errorf("%v: key of %d: %x, want %x", c.accepted, a, got, want)
			}
		}
	}
}

// A key of the one algorithm is none of the other.
func TestVerifyKeepsAlgorithmsApart(t *testing.T) {
	v := mustVerifier(t, valid(t), SHA256, MD5)
	name := at(time.Hour) + ":alice"
	key := DeriveKey(name, realm, password(sharedA, name))
	if _, got := v.Verify(name, now, SHA256, func(k []byte) bool { return bytes.Equal(k, key[:]) }); got != WrongSignature {
		t.Errorf("%v", got)
	}
}

// What is not accepted is not even tried.
func TestVerifyRefusesAlgorithms(t *testing.T) {
	name := at(time.Hour) + ":alice"
	for as, accepted := range map[Algorithm][]Algorithm{SHA256: {MD5}, MD5: {SHA256}, 0: {SHA256, MD5}} {
		_, got := mustVerifier(t, valid(t), accepted...).Verify(name, now, as, func([]byte) bool {
			t.Errorf("%d: made a key", as)
			return true
		})
		if got != WrongSignature {
			t.Errorf("%d: %v", as, got)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	ring := mustKeyring(t, valid(t))
	for _, bad := range [][]Algorithm{{0}, {3}, {MD5, MD5}, {SHA256, MD5, SHA256}} {
		if _, err := NewVerifier(ring, realm, bad...); err == nil {
			t.Errorf("%v: accepted", bad)
		}
	}
	if got := mustVerifier(t, valid(t)).Algorithms(); !slices.Equal(got, []Algorithm{MD5}) {
		t.Errorf("by default %v", got)
	}
	if got := mustVerifier(t, valid(t), SHA256, MD5).Algorithms(); !slices.Equal(got, []Algorithm{SHA256, MD5}) {
		t.Errorf("order lost: %v", got)
	}
}

// The key is of coturn 4.6.1: turnadmin -k -u alice -r example.org -p Hn5Vb2Xq8Lr4Zc7T
func TestParseKey(t *testing.T) {
	key, err := ParseKey("0x543d720eb1893f5f364751e460429013")
	if err != nil || key != DeriveKey("alice", "example.org", "Hn5Vb2Xq8Lr4Zc7T") {
		t.Errorf("%x, %v", key[:], err)
	}
	for _, example := range []string{"0xbc807ee29df3c9ffa736523fb2c4e8ee", "0x7da2270ccfa49786e0115366d3a3d14d", "0x7DA2270CCFA49786E0115366D3A3D14D"} {
		if key, err := ParseKey(example); err == nil || key != (LongTermKey{}) || !strings.Contains(err.Error(), "examples") {
			t.Errorf("%s: %v", example, err)
		}
	}
	for _, text := range []string{"", "0x", "7da2270ccfa49786e0115366d3a3d14d", "0x7da2270ccfa49786e0115366d3a3d14", "0x7da2270ccfa49786e0115366d3a3d14d0",
		"0x7da2270ccfa49786e0115366d3a3d14g", "0X7da2270ccfa49786e0115366d3a3d14d", "0x00000000000000000000000000000000", " 0x7da2270ccfa49786e0115366d3a3d14d"} {
		key, err := ParseKey(text)
		if err == nil || key != (LongTermKey{}) || text != "" && len(text) > 2 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %x, %v", text, key[:], err)
		}
	}
}
