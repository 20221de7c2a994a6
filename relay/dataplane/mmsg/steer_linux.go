package mmsg

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A listener has a socket for each worker, all bound to the same address
// (SO_REUSEPORT). Which of them a datagram goes to is decided by a small
// program in the kernel, by the client's address and port, so that we know it
// too: a client's flow is served by the worker that its datagrams come to, and
// no two workers touch the same flow. Where the program can't be attached the
// kernel decides by a hash of its own, and a worker finds clients in the tables
// of others: correct, and slower.

const (
	steerPort  = 0x9E37 // odd numbers without a pattern
	steerMix   = 0x85EBCA6B
	steerShift = 16
)

// steer is the number, less than workers, of the worker for a client.
func steer(client netip.AddrPort, workers int) int {
	if workers == 1 {
		return 0
	}
	var word uint32
	if ip := client.Addr(); ip.Is4() {
		b := ip.As4()
		word = binary.BigEndian.Uint32(b[:])
	} else {
		b := ip.As16()
		for i := 0; i < 16; i += 4 {
			word ^= binary.BigEndian.Uint32(b[i:])
		}
	}
	return int((word ^ uint32(client.Port())*steerPort) * steerMix >> steerShift % uint32(workers))
}

// steerProgram is steer for the kernel: classic BPF, which needs no privilege.
// Its packet begins behind the UDP header; the IP header is at netOff.
func steerProgram(ip6 bool, workers int) []unix.SockFilter {
	const netOff = 0xFFF00000 // SKF_NET_OFF of linux/filter.h, as unsigned
	const (
		loadWord, loadHalf = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		loadHalfAtX        = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
		loadLength         = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH // X: the IPv4 header's length
		toX                = unix.BPF_MISC | unix.BPF_TAX
		xorX               = unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X
		multiply           = unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K
		shiftRight         = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
		modulo             = unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K
		returnA            = unix.BPF_RET | unix.BPF_A
	)
	var program []unix.SockFilter
	do := func(code uint16, k uint32) { program = append(program, unix.SockFilter{Code: code, K: k}) }
	if ip6 {
		do(loadHalf, netOff+40) // not the port behind extension headers: see above
		do(multiply, steerPort)
		for off := uint32(8); off < 24; off += 4 {
			do(toX, 0)
			do(loadWord, netOff+off)
			do(xorX, 0)
		}
	} else {
		do(loadLength, netOff)
		do(loadHalfAtX, netOff)
		do(multiply, steerPort)
		do(toX, 0)
		do(loadWord, netOff+12)
		do(xorX, 0)
	}
	do(multiply, steerMix)
	do(shiftRight, steerShift)
	do(modulo, uint32(workers))
	do(returnA, 0)
	return program
}

// attachSteering gives a group of sockets the program.
func attachSteering(fd int, ip6 bool, workers int) error {
	program := steerProgram(ip6, workers)
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}
