package engine

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"
)

// faultTest is an answer of pion, given to the door between send and the next
// ReadFrom, and what has to come of it.
type faultTest struct {
	name   string
	answer func(t *testing.T, d *door, l *Leg)
	fault  Fault // NumFaults: none
	result Result
}

var (
	refused    = Result{Err: ErrFault}
	unanswered = Result{Unanswered: true}
	other      = pseudoAddr(77)
)

// refreshed answers a Refresh of 1 s with the slack of testDoor.
func refreshed(t *testing.T, serial uint64) []byte {
	return mustBuild(t, transaction(serial), stun.NewType(stun.MethodRefresh, stun.ClassSuccessResponse), lifetimeSeconds(60))
}

func failed(t *testing.T, serial uint64, set ...stun.Setter) []byte {
	head := []stun.Setter{transaction(serial), stun.NewType(stun.MethodRefresh, stun.ClassErrorResponse)}
	return mustBuild(t, append(head, set...)...)
}

func transaction(serial uint64) stun.Setter {
	id := [12]byte{}
	binary.BigEndian.PutUint64(id[4:], serial)
	return stun.NewTransactionIDSetter(id)
}

var faultTests = []faultTest{
	{"good", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(refreshed(t, d.serial), &l.addr)
	}, NumFaults, Result{Lifetime: time.Second}},
	{"silent", func(*testing.T, *door, *Leg) {}, NumFaults, unanswered},
	{"other transaction", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(refreshed(t, d.serial-1), &l.addr)
	}, FaultAnswer, refused},
	{"other method", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(mustBuild(t, transaction(d.serial), stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse)), &l.addr)
	}, FaultAnswer, refused},
	{"other lifetime", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(mustBuild(t, transaction(d.serial), stun.NewType(stun.MethodRefresh, stun.ClassSuccessResponse), lifetimeSeconds(600)), &l.addr)
	}, FaultAnswer, refused},
	{"garbage", func(_ *testing.T, d *door, l *Leg) {
		d.WriteTo([]byte("garbage"), &l.addr)
	}, FaultAnswer, refused},
	{"no code", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(failed(t, d.serial), &l.addr)
	}, FaultAnswer, refused},
	{"second", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(refreshed(t, d.serial), &l.addr)
		d.WriteTo(refreshed(t, d.serial), &l.addr)
	}, FaultSecond, refused},
	{"other client", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(refreshed(t, d.serial), other)
	}, FaultStray, unanswered},
	{"stale without a nonce", func(t *testing.T, d *door, l *Leg) {
		d.WriteTo(failed(t, d.serial, stun.CodeStaleNonce), &l.addr)
	}, FaultNonce, refused},
	{"key of another", func(t *testing.T, d *door, l *Leg) {
		if _, ok := d.auth("", "", other); ok {
			t.Error("got a key")
		}
	}, FaultAuth, unanswered},
	{"relay in a Refresh", func(t *testing.T, d *door, l *Leg) {
		if _, _, err := (generator{d}).AllocatePacketConn("udp4", 0); err == nil {
			t.Error("got a relay")
		}
	}, FaultOpen, unanswered},
	{"relay for TCP", func(t *testing.T, d *door, l *Leg) {
		if _, _, err := (generator{d}).AllocateConn("tcp4", 0); err == nil {
			t.Error("got a relay")
		}
	}, FaultOpen, unanswered},
	{"data", func(t *testing.T, d *door, l *Leg) {
		l.relay.leg = l
		if _, err := l.relay.WriteTo(nil, nil); !errors.Is(err, errNoData) {
			t.Error(err)
		}
	}, FaultWrite, unanswered},
}

// testDoor is a door without pion and an open leg of it. Its last message was
// of transaction 8.
func testDoor(nonce string) (*door, *Leg) {
	now := time.Now()
	d := &door{now: time.Now, slack: maxSlack, codec: newCodec([]byte("k")), nonce: nonce, nonceAt: now, serial: 8, server: new(turn.Server)}
	return d, &Leg{door: d, end: now.Add(time.Hour)}
}

// TestFaults: each kind of answer that is not one is counted and not believed.
func TestFaults(t *testing.T) {
	for _, tt := range faultTests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, "n") })
	}
	t.Run("probe not answered", func(t *testing.T) {
		faultTest{"", func(*testing.T, *door, *Leg) {}, FaultNonce, refused}.run(t, "")
	})
	t.Run("probe succeeds", func(t *testing.T) {
		faultTest{"", faultTests[0].answer, FaultNonce, refused}.run(t, "")
	})
}

func (tt faultTest) run(t *testing.T, nonce string) {
	var got Result
	d, l := testDoor(nonce)
	d.begin(job{
		start: func() (Request, bool) { return refresh(l, time.Second), true },
		done:  func(r Result) { got = r },
	})
	d.send(make([]byte, maxMessage+1))
	tt.answer(t, d, l)
	if d.unfinished() || d.busy {
		t.Error("not done")
	}
	if got != tt.result {
		t.Errorf("got %+v, want %+v", got, tt.result)
	}
	for f := Fault(0); f < NumFaults; f++ {
		if n := d.faults[f].Load(); (n == 1) != (f == tt.fault) {
			t.Errorf("fault %v counted %d times", f, n)
		}
	}
}

// TestStaleTwice: a second 438 is not answered by a third try.
func TestStaleTwice(t *testing.T) {
	var got Result
	d, l := testDoor("n")
	d.begin(job{start: func() (Request, bool) { return refresh(l, time.Second), true }, done: func(r Result) { got = r }})
	p := make([]byte, maxMessage+1)
	for i := range 2 {
		d.send(p)
		d.WriteTo(failed(t, d.serial, stun.CodeStaleNonce, stun.NewNonce("m")), &l.addr)
		if again := d.unfinished(); again != (i == 0) {
			t.Fatalf("answer %d: again is %v", i, again)
		}
	}
	if got.Err != ErrFault || d.nonce != "m" {
		t.Errorf("got %+v, nonce %q", got, d.nonce)
	}
}

// FuzzDoor gives the door answers that pion never would: whatever comes, the
// request is done once and only what is its own is believed.
func FuzzDoor(f *testing.F) {
	for _, b := range sampleResponses(f) {
		for m := Allocate; m <= ChannelBind; m++ {
			f.Add(b, uint8(m), m == Refresh)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, method uint8, twice bool) {
		done := 0
		var got Result
		d, l := testDoor("n") // the samples answer transaction 9
		req := Request{Leg: l, Method: Method(method), Lifetime: time.Second,
			Peers: []netip.AddrPort{peerA}, Channel: 0x4000, Peer: peerA}
		if !d.begin(job{start: func() (Request, bool) { return req, true }, done: func(r Result) { got = r; done++ }}) {
			return
		}
		p := make([]byte, maxMessage+1)
		d.send(p)
		d.WriteTo(b, &l.addr)
		if twice {
			d.WriteTo(b, &l.addr)
		}
		if d.unfinished() {
			d.send(p)
			d.unfinished()
		}
		if done != 1 || d.busy {
			t.Fatalf("done %d times", done)
		}
		if a, ok := decode(b); got.OK() && (!ok || twice || !a.success || a.serial != 9 || a.method != req.Method) {
			t.Errorf("%x made a success: %+v", b, got)
		}
	})
}
