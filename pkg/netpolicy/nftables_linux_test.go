package netpolicy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"turnpike/relay/relaytest"
)

// loadFence puts a ruleset into the kernel, for what this user sends.
func loadFence(t *testing.T, p *Policy, ports []PortRange) {
	t.Helper()
	text := mustFence(t, p, NFTOptions{User: strconv.Itoa(os.Getuid()), Ports: ports})
	file := filepath.Join(t.TempDir(), "egress.nft")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"-c", ""} {
		if out, err := exec.Command("nft", append(strings.Fields(args), "-f", file)...).CombinedOutput(); err != nil {
			t.Fatalf("nft %s: %v: %.2000s\n%s", args, err, out, text)
		}
	}
}

func run(t *testing.T, command string) {
	t.Helper()
	args := strings.Fields(command)
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// kernel asks the kernel whether datagrams leave: EPERM is a ruleset's no.
type kernel struct{ v4, v6 *net.UDPConn }

// newKernel has a route to everywhere that leads nowhere.
func newKernel(t *testing.T) *kernel {
	t.Helper()
	run(t, "ip route add default dev lo")
	run(t, "ip -6 route add default dev lo")
	run(t, "ip address add 198.51.100.1/32 dev lo")
	run(t, "ip address add 2001:db8::1/128 dev lo nodad")
	k := new(kernel)
	for network, conn := range map[string]**net.UDPConn{"udp4": &k.v4, "udp6": &k.v6} {
		c, err := net.ListenUDP(network, &net.UDPAddr{Port: int(fencePorts[0].First)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		*conn = c
	}
	return k
}

func (k *kernel) lets(peer netip.AddrPort) (bool, error) {
	conn := k.v6
	if peer.Addr().Is4() {
		conn = k.v4
	}
	_, err := conn.WriteToUDPAddrPort(nil, peer)
	if errors.Is(err, syscall.EPERM) {
		return false, nil
	}
	return err == nil, err
}

// blind reports whether the kernel can't look into an address.
func blind(a netip.Addr) bool {
	in := carried(a)
	isatap := in.n > 0 && in.list[in.n-1].form == "ISATAP"
	return a.Is6() && (isatap || teredo.Contains(a) || localNAT64.Contains(a))
}

// The kernel lets through what the policy does, and nothing else: random
// policies are loaded and random peers sent to, from a port of the relays.
func TestKernelAgreesWithThePolicy(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	k, d := newKernel(t), newDice(7)
	var yes, no int
	ask := func(p *Policy, peer netip.AddrPort) {
		live := func(a netip.AddrPort) bool {
			return p.known[a.Addr()].relay && fencePorts[0].First <= a.Port() && a.Port() <= fencePorts[0].Last
		}
		want := p.Peer(peer, live).Allowed && !(blind(peer.Addr()) && !live(peer))
		got, err := k.lets(peer)
		if got != want || want && err != nil {
			t.Errorf("%s\nthe kernel lets %v through: %v (%v)", p.Explain(peer, live), peer, got, err)
		}
		if got {
			yes++
		} else {
			no++
		}
	}
	fixed := mustNew(t, fencedOptions())
	loadFence(t, fixed, fencePorts)
	for _, peer := range []string{
		"198.41.0.4:50000", "198.41.0.4:50999", "198.41.0.4:51000", "10.1.0.5:9", "10.1.0.4:9", "10.1.0.6:443", "10.1.0.6:444", "10.1.7.7:6379", "10.1.255.255:9",
		"10.127.1.1:7000", "10.128.1.1:7000", "8.8.8.8:53", "8.8.8.8:54", "9.1.1.1:8500", "[64:ff9b::808:808]:53", "[64:ff9b::808:808]:54", "[64:ff9b::a01:1]:5",
		"[64:ff9b::a02:1]:5", "[64:ff9b::a01:4]:9", "[64:ff9b::7f00:1]:9", "[2002:808:808::1]:9", "[2600::5efe:808:808]:9", "[2001:0:808:808::1]:9", "[2600:4::4]:50001", "169.254.169.254:80",
	} {
		ask(fixed, addrPort(peer))
	}
	hard, builtIn := modelPrefixes(modelHard), modelPrefixes(modelBuiltIn)
	for range 60 {
		w := d.world(hard, builtIn)
		for range d.IntN(4) {
			w.allow(t, d)
		}
		w.o.RelayAddrs = addrs("198.41.0.4", "2600:4::4")
		p := mustNew(t, w.o)
		loadFence(t, p, fencePorts)
		forms := map[string]int{}
		for range 60 {
			ask(p, netip.AddrPortFrom(w.addr(d, forms).Unmap(), uint16(1+d.IntN(11))))
		}
	}
	t.Logf("%d datagrams left, %d did not", yes, no)
	if yes < 300 || no < 300 {
		t.Errorf("%d yes and %d no prove little", yes, no)
	}
}

// A long list is a ruleset that loads, and what leaves from other ports than
// the relays' is not judged.
func TestLongRuleset(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	k := newKernel(t)
	list := longList(10_000)
	p := mustNew(t, Options{Deny: list})
	loadFence(t, p, fencePorts)
	denied := addrPort("10.0.0.1:9")
	if lets, err := k.lets(denied); lets {
		t.Errorf("%v is let through: %v", denied, err)
	}
	for i := range 200 {
		in := list[i*len(list)/200]
		peer := netip.AddrPortFrom(in.Prefix.Addr(), 1500)
		if lets, _ := k.lets(peer); lets {
			t.Errorf("%v in %v is let through", peer, in)
		}
	}
	answers, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 3478})
	if err != nil {
		t.Fatal(err)
	}
	defer answers.Close()
	if _, err := answers.WriteToUDPAddrPort(nil, denied); err != nil {
		t.Errorf("an answer to a client at %v: %v", denied, err)
	}
}

// Stock pion relays to whoever it is asked to, in a network of its host and on
// the host itself. Behind the ruleset nothing of it leaves, and what the policy
// allows does.
func TestFenceHoldsStockPion(t *testing.T) {
	public, inside := netip.MustParsePrefix("93.184.216.0/24"), netip.MustParsePrefix("10.20.0.0/16")
	if !relaytest.InNamespace(t, relaytest.Namespace{Own: []netip.Prefix{public, inside}, StockPion: true}) {
		return
	}
	// Clients and peers of this test are the same user's: their ports are others.
	ports := func(first int) {
		t.Helper()
		text := fmt.Sprintf("%d %d", first, first+999)
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	ports(20000)
	server, user := addr("93.184.216.1"), relaytest.User{Name: "alice", Password: "wonderland"}
	stock := relaytest.StockPion(t, relaytest.StockOptions{Listen: server, Relay: server, Realm: "stock", Users: []relaytest.User{user}})
	client := relaytest.NewClient(relaytest.ListenUDP(t, addr("93.184.216.20")), stock.Addr, user)
	peers := map[string]*relaytest.Ear{}
	for _, at := range []string{"93.184.216.30", "10.20.0.9", "127.0.0.1"} {
		ear, err := relaytest.NewEar(relaytest.ListenUDP(t, addr(at)))
		if err != nil {
			t.Fatal(err)
		}
		peers[at] = ear
	}
	ports(int(fencePorts[0].First))
	if r, err := client.Allocate(relaytest.Lifetime(5 * time.Minute)); err != nil || !r.OK() {
		t.Fatalf("Allocate: %v, %v", r, err)
	}
	ports(20000)

	heard := func(when string, want map[string]bool) {
		t.Helper()
		for at, ear := range peers {
			if r, err := client.CreatePermission(ear.Addr()); err != nil || !r.OK() {
				t.Fatalf("CreatePermission for %s: %v, %v", at, r, err)
			}
			payload := []byte(when + " to " + at)
			if err := client.Send(ear.Addr(), payload); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Refresh(5 * time.Minute); err != nil { // stock pion has come to it
				t.Fatal(err)
			}
			if got, err := ear.Heard(payload); err != nil || got != want[at] {
				t.Errorf("%s: %s heard it: %v (%v)", when, at, got, err)
			}
		}
	}
	heard("without the ruleset", map[string]bool{"93.184.216.30": true, "10.20.0.9": true, "127.0.0.1": true})
	loadFence(t, mustNew(t, Options{RelayAddrs: []netip.Addr{server}, Own: []netip.AddrPort{stock.Addr}}), fencePorts)
	heard("behind it", map[string]bool{"93.184.216.30": true})
	loadFence(t, mustNew(t, Options{RelayAddrs: []netip.Addr{server}, Allow: lines("10.20.0.0/16"), Mode: AllowList}), fencePorts)
	heard("behind an allow list", map[string]bool{"10.20.0.9": true})
}
