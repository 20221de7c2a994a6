package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnpike/auth"
)

// startStatic runs uclient as a static user.
func (u *uclient) startStatic(t *testing.T, user, password string, i int) {
	t.Helper()
	u.user = user
	args := []string{"-L", publicClient(i).String(), "-e", publicPeer.String(), "-n", fmt.Sprint(uclientMessages), "-l", fmt.Sprint(uclientBytes),
		"-z", milliseconds(uclientPace), "-u", user, "-w", password}
	if u.transport == "tcp" {
		args = append(args, "-t")
	}
	args = append(args, strings.Fields(u.mode)...)
	u.cmd, u.stop = coturn(t, "turnutils_uclient", append(args, publicTURN.Addr().String())...)
	u.cmd.Stdout, u.cmd.Stderr = &u.out, &u.out
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// coturn's client works with a static user, by password and by the key that
// coturn keeps of it, beside one that has a shared secret.
func TestCoturnStaticUser(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, fmt.Sprintf("compatibility: {rfc5766_channels: true}\nroles: [{id: default, idle: %s}]\n", refusedIdle))
	startPeer(t, publicPeer)
	const password, oldPassword = "Hn5Vb2Xq8Lr4Zc7T", "short" // turnadmin -k hides how weak it is
	key := auth.DeriveKey("old", "turnpike", oldPassword)
	file := filepath.Join(t.TempDir(), "old.key")
	if err := os.WriteFile(file, []byte("0x"+hex.EncodeToString(key[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	edit(t, s, "  shared_secrets:", "  users: [{id: home, username: homeassistant, secret: "+password+"}, {id: old, key_file: "+file+"}]\n  shared_secrets:")
	reload(t, s)

	byPassword, byKey, minted := &uclient{transport: "udp", mode: "-c"}, &uclient{transport: "tcp", mode: "-c"}, &uclient{transport: "udp", mode: "-c"}
	byPassword.startStatic(t, "homeassistant", password, 0)
	byKey.startStatic(t, "old", oldPassword, 1)
	minted.start(t, s, secret, 2)
	for _, u := range []*uclient{byPassword, byKey, minted} {
		t.Run(u.user+" "+u.String(), u.check)
	}
	for _, u := range []*uclient{byPassword, byKey, minted} {
		r := s.WaitRecord(t, "its session", func(r record) bool { return r.User == u.user && r.ToPeerPackets > 0 })
		if n := u.relayed(); r.ToPeerPackets != n || r.ToClientPackets != n || r.Transport != u.transport {
			t.Errorf("%s: recorded %+v, want %d messages each way", u.user, r, n)
		}
	}
}
