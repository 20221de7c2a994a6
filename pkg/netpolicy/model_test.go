package netpolicy

import (
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"turnpike/relay/relaytest"
)

// The model is the policy once more, written apart from it: whole numbers, one
// comparison after the other, and its own copy of the IANA special-purpose
// registries (IPv4 and IPv6, as of October 2025, row by row).

// Steps of the model, the worst first.
const (
	stepHard = iota
	stepDeny
	stepOwnHost
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
	mode          Mode
	hard, builtIn []modelRange
	deny, allow   []modelLine
	hosts         []modelRange
}

// modelLine is a line as whole numbers.
type modelLine struct {
	ranges []modelRange
	ports  [][2]int // none: every port
	single bool
}

// fits reports whether the line speaks of the port; 0 is a permission, which
// has none.
func (l modelLine) fits(port int, whole bool) bool {
	for _, r := range l.ports {
		if port == 0 && !whole || r[0] <= port && port <= r[1] {
			return true
		}
	}
	return len(l.ports) == 0
}

func (m *model) one(n *big.Int, bits, port int) int {
	if within(m.hard, n, bits) {
		return stepHard
	}
	for _, l := range m.deny {
		if l.fits(port, true) && within(l.ranges, n, bits) {
			return stepDeny
		}
	}
	host := within(m.hosts, n, bits)
	for _, l := range m.allow {
		if l.fits(port, false) && (l.single || !host) && within(l.ranges, n, bits) {
			return stepAllow
		}
	}
	switch {
	case host:
		return stepOwnHost
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

func (m *model) judge(a netip.Addr, port int) int {
	n := new(big.Int).SetBytes(a.AsSlice())
	if a.Is4() {
		return m.one(n, 32, port)
	}
	is := func(from, n6 uint, value uint64) bool {
		return field(n, from, n6).Cmp(new(big.Int).SetUint64(value)) == 0
	}
	if is(0, 80, 0) && is(80, 16, 0xffff) {
		return m.one(field(n, 96, 32), 32, port)
	}
	worst := m.one(n, 128, port)
	also := func(v4 *big.Int) { worst = min(worst, m.one(v4, 32, port)) }
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
	case r == OwnHost:
		return stepOwnHost
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
		for _, a := range append(relaytest.Samples(pre), pre.Addr().Prev(), lastOf(pre).Next()) {
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
		forms := relaytest.Encodings(v4)
		return forms[d.IntN(len(forms))].Addr
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
	list := relaytest.Samples(pre)
	return list[d.IntN(len(list))]
}

// presetsOf the model are copies too; those of the host are asked for by name.
var modelPresets = map[Preset][]modelRange{
	PresetRFC1918: modelPrefixes([]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}),
	PresetTransition: modelPrefixes([]string{
		"192.88.99.0/24", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
	}),
	PresetCloudMetadata:  modelPrefixes([]string{"169.254.169.254/32", "168.63.129.16/32", "fd00:ec2::/32"}),
	PresetSpecialPurpose: append(modelPrefixes(modelHard), modelPrefixes(modelBuiltIn)...),
}

// world is a random policy, its model, and the addresses worth asking about.
type world struct {
	o     Options
	m     model
	edges []netip.Addr
}

func (d *dice) world(hard, builtIn []modelRange) *world {
	w := &world{m: model{mode: Mode(d.IntN(2)), hard: hard, builtIn: builtIn}}
	w.o.Mode = w.m.mode
	for range d.IntN(3) {
		if a := d.addr().Unmap(); !a.IsUnspecified() && !a.IsMulticast() {
			w.o.HostAddrs = append(w.o.HostAddrs, a)
			w.edges = append(w.edges, a)
			w.m.hosts = append(w.m.hosts, modelOf(a, a))
		}
		if pre := d.prefix(); pre.Bits() > 0 {
			w.o.Routes = append(w.o.Routes, pre)
		}
	}
	for range 1 + d.IntN(3) {
		l, ml := d.line(w, Preset(1+d.IntN(numPresets-1)))
		w.o.Deny, w.m.deny = append(w.o.Deny, l), append(w.m.deny, ml)
	}
	return w
}

func modelOf(from, to netip.Addr) modelRange {
	return modelRange{from.BitLen(), new(big.Int).SetBytes(from.AsSlice()), new(big.Int).SetBytes(to.AsSlice())}
}

// line is a random line, of the preset if it is to be one.
func (d *dice) line(w *world, preset Preset) (l Line, m modelLine) {
	pre := d.prefix()
	if len(w.edges) > 0 && d.IntN(6) == 0 {
		a := w.edges[d.IntN(len(w.edges))]
		pre = netip.PrefixFrom(a, a.BitLen())
	}
	from, to := pre.Addr(), lastOf(pre)
	l.Prefix = pre
	switch d.IntN(5) {
	case 0:
		l.Prefix, l.Preset = netip.Prefix{}, preset
	case 1, 2: // somewhere in the prefix, or beyond it
		if to.Is4In6() {
			break
		}
		l.Prefix = netip.Prefix{}
		if a, b := d.near(pre), d.near(pre); a.Unmap() == a && b.Unmap() == b {
			from, to = a, b
		}
		if to.Less(from) {
			from, to = to, from
		}
		l.From, l.To = from, to
	}
	if l.Preset == 0 {
		w.edges = append(w.edges, from, to)
		m.ranges, m.single = []modelRange{modelOf(from, to)}, from == to
	} else {
		m.ranges = d.presetRanges(w, preset)
	}
	for range max(d.IntN(5)-2, 0) {
		first := 1 + d.IntN(9)
		r := PortRange{uint16(first), uint16(first + d.IntN(3))}
		l.Ports, m.ports = append(l.Ports, r), append(m.ports, [2]int{int(r.First), int(r.Last)})
	}
	if d.IntN(20) == 0 {
		l.Ports, m.ports = []PortRange{{1, 4000}, {4001, 65535}}, nil
	}
	return l, m
}

func (d *dice) presetRanges(w *world, preset Preset) (ranges []modelRange) {
	switch preset {
	case PresetSelf:
		return w.m.hosts
	case PresetLocalRoutes:
		for _, r := range w.o.Routes {
			ranges = append(ranges, modelPrefix(r.String()))
			w.edges = append(w.edges, r.Addr(), lastOf(r))
		}
		return ranges
	}
	return modelPresets[preset]
}

// allow adds an allow line, and reports whether New took it. One that it
// refuses would open nothing, or is for a local-use NAT64, where two readings
// seldom agree.
func (w *world) allow(t *testing.T, d *dice) bool {
	presets := []Preset{PresetRFC1918, PresetTransition, PresetLocalRoutes}
	l, ml := d.line(w, presets[d.IntN(len(presets))])
	if _, err := New(Options{Allow: []Line{l}}); err == nil {
		w.o.Allow, w.m.allow = append(w.o.Allow, l), append(w.m.allow, ml)
		return true
	}
	alone := model{hard: w.m.hard, builtIn: w.m.builtIn, allow: []modelLine{ml}, mode: AllowList}
	for _, a := range []netip.Addr{w.edges[len(w.edges)-2], w.edges[len(w.edges)-1]} {
		if !localNAT64.Contains(a) && alone.judge(a, 0) == stepAllow {
			t.Fatalf("%v is refused, but the model allows %v by it", l, a)
		}
	}
	return false
}

// addr is one to ask about: of a line, of the host, of a special range, or any,
// and if it is IPv4 in one of its forms. They are counted by form.
func (w *world) addr(d *dice, forms map[string]int) netip.Addr {
	a := d.addr()
	if len(w.edges) > 0 && d.IntN(3) > 0 {
		a = w.edges[d.IntN(len(w.edges))]
		switch d.IntN(4) {
		case 0:
			a = a.Prev()
		case 1:
			a = a.Next()
		}
		if !a.IsValid() {
			a = d.addr()
		}
	}
	if a = a.Unmap(); a.Is6() {
		forms["IPv6"]++
		return a
	}
	list := append(relaytest.Encodings(a), relaytest.Encoding{Form: "IPv4", Addr: a}, relaytest.Encoding{Form: "IPv4", Addr: a})
	e := list[d.IntN(len(list))]
	forms[e.Form]++
	return e.Addr
}

// TestAgainstModel asks a million times; a tenth of it where the race detector
// makes everything slow (there is nothing of it to detect here).
func TestAgainstModel(t *testing.T) {
	const (
		seed      = 20251009
		questions = 40 // a policy
	)
	policies := 25_000
	if raceDetector {
		policies /= 10
	}
	d := newDice(seed)
	hard, builtIn := modelPrefixes(modelHard), modelPrefixes(modelBuiltIn)
	var seen [stepDefault + 1]int
	forms := map[string]int{}
	shut := 0
	for range policies {
		w := d.world(hard, builtIn)
		for range d.IntN(4) {
			if !w.allow(t, d) {
				shut++
			}
		}
		p := mustNew(t, w.o)
		for range questions {
			a, port := w.addr(d, forms), d.IntN(12) // 0: a permission
			v := p.Permission(a)
			if port > 0 {
				v = p.Peer(netip.AddrPortFrom(a, uint16(port)), nil)
			}
			want := w.m.judge(a, port)
			seen[want]++
			if stepOf(v.Rule) != want || v.Allowed != (want >= stepAllow) {
				t.Fatalf("seed %d: mode %d deny %v allow %v hosts %v routes %v: %v port %d is %v, the model says step %d",
					uint64(seed), w.o.Mode, w.o.Deny, w.o.Allow, w.o.HostAddrs, w.o.Routes, a, port, v.Rule, want)
			}
		}
	}
	t.Logf("%d questions by step %v, by form %v, %d allow lines refused", policies*questions, seen, forms, shut)
	for step, n := range seen {
		if n < policies/50 {
			t.Errorf("step %d came up %d times only", step, n)
		}
	}
	for form, n := range forms {
		if n < policies/5 {
			t.Errorf("form %s came up %d times only", form, n)
		}
	}
}
