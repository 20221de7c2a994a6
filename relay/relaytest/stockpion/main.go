// Command stockpion is pion/turn v4.1.4 as it comes: a TURN server over UDP and
// TCP with a list of users and nothing in front of it. Tests attack it to prove
// that their attacks work (see package relaytest). Never run it anywhere else.
//
// It is a module of its own so that no other requirement raises the version of
// pion/stun: turn v4.1.4 alone resolves v3.0.1, which one short packet crashes
// (https://github.com/pion/stun/pull/278).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/pion/turn/v4"
)

type options struct {
	listen netip.AddrPort
	relay  netip.Addr
	realm  string
	users  users
}

func main() {
	var o options
	flag.TextVar(&o.listen, "listen", netip.AddrPort{}, "`ip:port` to serve clients on, UDP and TCP; port 0 lets the system choose")
	flag.TextVar(&o.relay, "relay", netip.Addr{}, "`address` to tell clients that their relay is at")
	flag.StringVar(&o.realm, "realm", "pion.ly", "realm")
	flag.Var(&o.users, "user", "`name=password`; repeat for more users")
	flag.Parse()
	if err := run(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stockpion:", err)
		os.Exit(1)
	}
}

// run serves until in ends or the process is told to stop. The end of in is
// the end of whoever started the server, so that it can't outlive its test.
func run(o options, in io.Reader, out io.Writer) error {
	if !o.listen.IsValid() || !o.relay.IsValid() || len(o.users) == 0 {
		return errors.New("-listen, -relay and at least one -user are needed")
	}
	conn, listener, err := listen(o.listen)
	if err != nil {
		return err
	}
	server, err := serve(conn, listener, o)
	if err != nil {
		return errors.Join(err, conn.Close(), listener.Close())
	}
	ready := struct {
		Listening string `json:"listening"`
	}{conn.LocalAddr().String()}
	if err := json.NewEncoder(out).Encode(ready); err != nil {
		return errors.Join(err, server.Close())
	}
	waitForEnd(in)
	return server.Close()
}

// listen opens the same port for UDP and for TCP.
func listen(at netip.AddrPort) (net.PacketConn, net.Listener, error) {
	listener, err := net.Listen("tcp4", at.String())
	if err != nil {
		return nil, nil, err
	}
	at = listener.Addr().(*net.TCPAddr).AddrPort()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, nil, errors.Join(err, listener.Close())
	}
	return conn, listener, nil
}

// serve configures what pion's own examples/turn-server/simple does: no
// permission handler, no quota, relays bound to every address of the host.
func serve(conn net.PacketConn, listener net.Listener, o options) (*turn.Server, error) {
	keys := make(map[string][]byte, len(o.users))
	for name, password := range o.users {
		keys[name] = turn.GenerateAuthKey(name, o.realm, password)
	}
	relays := &turn.RelayAddressGeneratorStatic{RelayAddress: o.relay.AsSlice(), Address: "0.0.0.0"}
	return turn.NewServer(turn.ServerConfig{
		Realm: o.realm,
		AuthHandler: func(username, _ string, _ net.Addr) ([]byte, bool) {
			key, ok := keys[username]
			return key, ok
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: relays}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: listener, RelayAddressGenerator: relays}},
	})
}

func waitForEnd(in io.Reader) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, in)
	}()
	select {
	case <-stop:
	case <-ended:
	}
}

// users is a flag that adds one name=password each time it is given.
type users map[string]string

func (u *users) String() string { return fmt.Sprintf("%d users", len(*u)) }

func (u *users) Set(s string) error {
	name, password, ok := strings.Cut(s, "=")
	if !ok || name == "" || password == "" {
		return errors.New("want name=password")
	}
	if *u == nil {
		*u = users{}
	}
	(*u)[name] = password
	return nil
}
