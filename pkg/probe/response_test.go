package probe

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// The sample responses of RFC 5769 §2.2 and §2.3.
const (
	sample4 = `0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
		00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96`
	sample6 = `01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
		00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
		80280004 c8fb0b4c`
)

func TestSamplesOfRFC5769(t *testing.T) {
	for sample, want := range map[string]string{
		sample4: "192.0.2.1:32853",
		sample6: "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
	} {
		b := unhex(t, sample)
		id := [stun.TransactionIDSize]byte(b[8:20])
		m, err := decode(b, id)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := result(m)
		expect(t, seen, err, want, "")
		for i := range len(b) * 8 { // FINGERPRINT notices any bit, unless it is gone itself
			b[i/8] ^= 1 << (i % 8)
			if m, err := decode(b, id); err == nil && m.Contains(stun.AttrFingerprint) {
				t.Errorf("bit %d is flipped, and the response counts", i)
			}
			b[i/8] ^= 1 << (i % 8)
		}
	}
}

// FuzzResponse: no bytes end the process, and what counts as an address is one.
func FuzzResponse(f *testing.F) {
	for _, sample := range []string{sample4, sample6} {
		f.Add(unhex(f, sample))
	}
	request := make([]byte, 20)
	f.Add(success(request, "192.0.2.1:1"))
	f.Add(success(request, "192.0.2.1:1", raw(0x7fff, "x")))
	f.Add(answer(request, stun.BindingError, stun.CodeTryAlternate))
	f.Add(answer(request, stun.BindingSuccess, raw(stun.AttrXORMappedAddress, "\x00\x01\x00\x00\x00")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 20 {
			if _, err := decode(b, [stun.TransactionIDSize]byte{}); err == nil {
				t.Error("less than a header counts")
			}
			return
		}
		id := [stun.TransactionIDSize]byte(b[8:20])
		m, err := decode(b, id)
		if err != nil {
			return
		}
		seen, err := result(m)
		if (err == nil) != (seen != netip.AddrPort{}) {
			t.Errorf("%v, %v", seen, err)
		}
		if err == nil && (seen.Addr().IsUnspecified() || seen.Port() == 0 || seen.Addr().Is4In6() || seen.Addr().Zone() != "") {
			t.Errorf("%v is no address to work with", seen)
		}
		id[0]++
		if _, err := decode(b, id); err == nil {
			t.Error("counts for another transaction too")
		}
	})
}
