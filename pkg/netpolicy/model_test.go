package netpolicy

import (
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// The model is the policy once more, written apart from it: whole numbers, one
// comparison after the other, and its own copy of the IANA special-purpose
// registries (IPv4 and IPv6, as of October 2025, row by row).

// Steps of the model, the worst first.
const (
	stepHard = iota
	stepDeny
	stepBuiltIn
	stepDefaultDeny
	stepAllow
	stepDefault
)

var modelHard = []string{
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
	"::/128", "::1/128", "fe80::/10", "ff00::/8",
	"fd00:ec2::/32", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128", "fd00:42::42/128",
	"fd00:a9fe:a9fe::1/128", "fd00:100::100:200/128",
}

var modelBuiltIn = []string{
	"0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32",
	"192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24",
	"192.52.193.0/24", "192.88.99.0/24", "192.88.99.2/32", "192.168.0.0/16", "192.175.48.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32",
	// Not in the registry: cloud platforms.
	"34.118.224.0/20", "161.26.0.0/16", "166.8.0.0/14", "199.36.153.4/30", "199.36.153.8/30",

	"::1/128", "::/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
	"2001::/23", "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48",
	"2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28",
	"2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
	// Not in the registry: all but global unicast.
	"::/3", "4000::/2", "8000::/1",
}

type modelRange struct {
	bits   int // of the family
	lo, hi *big.Int
}

func modelPrefix(s string) modelRange {
	ip, ipnet, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	ones, bits := ipnet.Mask.Size()
	b := []byte(ip.To16())
	if bits == 32 {
		b = ip.To4()
	}
	lo := new(big.Int).SetBytes(b)
	size := new(big.Int).Lsh(big.NewInt(1), uint(bits-ones))
	return modelRange{bits, lo, size.Add(size, lo).Sub(size, big.NewInt(1))}
}

func modelPrefixes(list []string) (out []modelRange) {
	for _, s := range list {
		out = append(out, modelPrefix(s))
	}
	return out
}

func within(list []modelRange, n *big.Int, bits int) bool {
	for _, r := range list {
		if r.bits == bits && r.lo.Cmp(n) <= 0 && n.Cmp(r.hi) <= 0 {
			return true
		}
	}
	return false
}

type model struct {
	mode                       Mode
	hard, builtIn, deny, allow []modelRange
}

func (m *model) one(n *big.Int, bits int) int {
	switch {
	case within(m.hard, n, bits):
		return stepHard
	case within(m.deny, n, bits):
		return stepDeny
	case within(m.allow, n, bits):
		return stepAllow
	case within(m.builtIn, n, bits):
		return stepBuiltIn
	case m.mode == AllowList:
		return stepDefaultDeny
	}
	return stepDefault
}

// field is the n bits of a that begin at bit from of 128.
func field(a *big.Int, from, n uint) *big.Int {
	f := new(big.Int).Rsh(a, 128-from-n)
	return f.And(f, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1)))
}

func (m *model) judge(a netip.Addr) int {
	n := new(big.Int).SetBytes(a.AsSlice())
	if a.Is4() {
		return m.one(n, 32)
	}
	is := func(from, n6 uint, value uint64) bool {
		return field(n, from, n6).Cmp(new(big.Int).SetUint64(value)) == 0
	}
	if is(0, 80, 0) && is(80, 16, 0xffff) {
		return m.one(field(n, 96, 32), 32)
	}
	worst := m.one(n, 128)
	also := func(v4 *big.Int) { worst = min(worst, m.one(v4, 32)) }
	last := field(n, 96, 32)
	if is(0, 96, 0) || is(0, 64, 0) && is(64, 32, 0xffff0000) || is(0, 32, 0x0064ff9b) && is(32, 64, 0) {
		also(last)
	}
	if is(0, 48, 0x0064ff9b0001) {
		split := new(big.Int).Lsh(field(n, 48, 16), 16)
		also(split.Add(split, field(n, 72, 16)))
		also(last)
	}
	if is(0, 32, 0x20010000) {
		also(field(n, 32, 32))
		also(new(big.Int).Xor(last, big.NewInt(0xffffffff)))
	}
	if is(0, 16, 0x2002) {
		also(field(n, 16, 32))
	}
	if is(64, 32, 0x00005efe) || is(64, 32, 0x02005efe) {
		also(last)
	}
	return worst
}

func stepOf(r Rule) int {
	switch {
	case r >= Loopback && r <= OwnService:
		return stepHard
	case r == OperatorDeny:
		return stepDeny
	case r >= Private && r <= Reserved:
		return stepBuiltIn
	case r == DefaultDeny:
		return stepDefaultDeny
	case r == OperatorAllow:
		return stepAllow
	case r == DefaultAllow:
		return stepDefault
	}
	return -1
}

// dice makes addresses and prefixes where rules meet, rather than in the wide
// space where none does.
type dice struct {
	*rand.Rand
	edges []netip.Addr
}

func newDice(seed uint64) *dice {
	d := &dice{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, s := range append(modelHard, modelBuiltIn...) {
		pre := netip.MustParsePrefix(s)
		for _, a := range append(samples(pre), pre.Addr().Prev(), lastOf(pre).Next()) {
			if a.IsValid() {
				d.edges = append(d.edges, a)
			}
		}
	}
	return d
}

func (d *dice) addr() netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	switch d.IntN(8) {
	case 0:
		return netip.AddrFrom4([4]byte(b[:4]))
	case 1:
		return netip.AddrFrom16(b)
	case 2:
		b[0] = 0x20 | b[0]&0x1f
		return netip.AddrFrom16(b)
	case 3, 4:
		v4 := netip.AddrFrom4([4]byte(b[:4]))
		if e := d.edges[d.IntN(len(d.edges))]; e.Is4() {
			v4 = e
		}
		forms := encodings(v4)
		return forms[d.IntN(len(forms))].addr
	}
	return d.edges[d.IntN(len(d.edges))]
}

func (d *dice) prefix() netip.Prefix {
	a := d.addr().Unmap()
	return netip.PrefixFrom(a, d.IntN(a.BitLen()+1)).Masked()
}

// near is an address in or about a prefix.
func (d *dice) near(pre netip.Prefix) netip.Addr {
	switch d.IntN(3) {
	case 0:
		if a := pre.Addr().Prev(); a.IsValid() {
			return a
		}
	case 1:
		if a := lastOf(pre).Next(); a.IsValid() {
			return a
		}
	}
	list := samples(pre)
	return list[d.IntN(len(list))]
}

func TestAgainstModel(t *testing.T) {
	const (
		seed      = 20251009
		policies  = 25_000
		addresses = 8 // a policy
	)
	t.Logf("seed %d", uint64(seed))
	d := newDice(seed)
	hard, builtIn := modelPrefixes(modelHard), modelPrefixes(modelBuiltIn)
	local := modelPrefixes([]string{"64:ff9b:1::/48"})
	var seen [stepDefault + 1]int
	shut := 0
	for range policies {
		deny, allow := d.prefix(), d.prefix()
		m := model{
			mode: Mode(d.IntN(2)), hard: hard, builtIn: builtIn,
			deny:  []modelRange{modelPrefix(deny.String())},
			allow: []modelRange{modelPrefix(allow.String())},
		}
		o := Options{Mode: m.mode, Deny: Lines(deny), Allow: Lines(allow)}
		p, err := New(o)
		if err != nil {
			// An allow line is refused if it would open nothing, or if it is
			// for a local-use NAT64, where two readings seldom agree.
			shut++
			m.deny = nil
			if within(local, new(big.Int).SetBytes(allow.Addr().AsSlice()), allow.Addr().BitLen()) {
				m.allow = nil
			}
			for _, a := range samples(allow) {
				if got := m.judge(a); got == stepAllow {
					t.Fatalf("%v, but the model allows %v by it", err, a)
				}
			}
			o.Allow, m.allow = nil, nil
			m.deny = []modelRange{modelPrefix(deny.String())}
			p = mustNew(t, o)
		}
		for range addresses {
			a := d.addr()
			switch d.IntN(4) {
			case 0:
				a = d.near(deny)
			case 1:
				a = d.near(allow)
			}
			want := m.judge(a)
			seen[want]++
			for _, v := range []Verdict{p.Peer(netip.AddrPortFrom(a, 5000), nil), p.Permission(a)} {
				if stepOf(v.Rule) != want || v.Allowed != (want >= stepAllow) {
					t.Fatalf("mode %d deny %v allow %v: %v is %v, the model says step %d", o.Mode, deny, allow, a, v.Rule, want)
				}
			}
		}
	}
	t.Logf("%d triples by step %v, %d allow lines refused", policies*addresses, seen, shut)
	for step, n := range seen {
		if n < 1000 {
			t.Errorf("step %d came up %d times only", step, n)
		}
	}
}
