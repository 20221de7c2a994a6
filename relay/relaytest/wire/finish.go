package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// atPeer expects a datagram at the peer. What was relayed before it would come
// first, so it also shows that nothing was.
func (d *dialog) atPeer(in *tuple, s *Step) (what string, err error) {
	if err := d.peers[s.peer].SetReadDeadline(time.Now().Add(d.server.Patience)); err != nil {
		return "", err
	}
	b := make([]byte, 2048)
	n, from, err := d.peers[s.peer].ReadFrom(b)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "relays nothing", nil
	case err != nil:
		return "", err
	case string(b[:n]) != s.want.text:
		return fmt.Sprintf("relays %q", b[:n]), nil
	}
	at := netip.MustParseAddrPort(from.String())
	if at.Port() != in.relayed.Port() || at.Addr() != in.relayed.Addr() && !d.server.Stock { // that has no address of its own
		return "relays from " + at.String(), nil
	}
	return "", nil
}

// atClient expects a datagram at another client of the server.
func (d *dialog) atClient(in *tuple, s *Step) (what string) {
	got, err := d.tuples[s.want.to].conn.Read()
	if err != nil {
		return "relays nothing"
	}
	if want := s.datagram(got, in.relayed, false); !bytes.Equal(got, want) {
		return fmt.Sprintf("delivers %x", got)
	}
	return ""
}

// fromPeer sends the peer's text to the relayed transport address. Whether it
// must not get through shows at the next that must.
func (d *dialog) fromPeer(in *tuple, s *Step) (what string, err error) {
	if _, err := d.peers[s.peer].WriteTo([]byte(s.text), net.UDPAddrFromAddrPort(in.relayed)); err != nil {
		return "", err
	}
	if s.want.kind != delivered {
		return "", nil
	}
	got, err := in.conn.Read()
	if err != nil {
		return "delivers nothing", nil
	}
	want := s.datagram(got, netip.MustParseAddrPort(s.peer), d.over != UDP || d.server.Stock) // which may be padded over UDP, too
	if !bytes.Equal(got, want) {
		return fmt.Sprintf("delivers %x", got), nil
	}
	d.note(s, nil, want)
	return "", nil
}

// datagram is the message that brings the peer's datagram, with the transaction
// of what came.
func (s *Step) datagram(got []byte, peer netip.AddrPort, padded bool) []byte {
	if s.want.number == 0 {
		b := append([]byte{typeData >> 8, typeData & 0xFF, 0, 0, 0x21, 0x12, 0xA4, 0x42}, transactionOf(got)...)
		b = appendAttr(b, attrPeer, xorAddress(peer, b))
		return sealed(appendAttr(b, attrData, []byte(s.want.text)))
	}
	b := channelData(s.want.number, len(s.want.text), s.want.text).bytes(nil)
	for padded && len(b)%4 != 0 { // RFC 8656 §12.5
		b = append(b, 0)
	}
	return b
}

// end ends what allocations are left. The answer to that is the next message, so
// no earlier one has been answered late, or twice.
func (d *dialog) end() error {
	if d.server.Stock {
		return nil // it ends itself
	}
	for _, name := range sortedNames(d.tuples) {
		in := d.tuples[name]
		if in.owner == "" || in.gone {
			continue
		}
		request := refresh(lifetime(0), by(in.owner)).bytes(in)
		if err := in.conn.Write(request); err != nil {
			return err
		}
		got, err := in.conn.Read()
		if err != nil || !answers(got, request) || codeOf(got) != 0 && codeOf(got) != 437 {
			return fmt.Errorf("at the end: %x, %v in place of the answer to a Refresh", got, err)
		}
	}
	return nil
}

func (d *dialog) close() error {
	var errs []error
	for _, in := range d.tuples {
		if err := in.conn.Close(); !in.gone {
			errs = append(errs, err)
		}
	}
	for _, peer := range d.peers {
		errs = append(errs, peer.Close())
	}
	return errors.Join(errs...)
}
