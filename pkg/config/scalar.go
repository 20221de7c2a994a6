package config

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// problem is what is wrong with a value, and the cure; the zero problem is none.
type problem struct{ reason, cure string }

// parse reads one value from its text, from the file or the environment. With
// a problem the value is worth nothing.
func (s *shape) parse(text string) (any, problem) {
	if text == "" {
		if s.required || s.kind == scalarList || s.def != "" {
			return nil, problem{"is empty", "give " + s.want()}
		}
		return reflect.Zero(s.typ).Interface(), problem{}
	}
	switch {
	case isDuration(s.typ):
		return s.parseDuration(text)
	case isInteger(s.typ):
		return s.parseInteger(text)
	case s.typ.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return nil, problem{"is neither true nor false", "write true or false"}
		}
		return text == "true", problem{}
	case s.typ == lineType:
		m, p := parseMatch(text)
		return Line{Match: m}, p
	case s.typ == reflect.TypeFor[Match]():
		return parseMatch(text)
	case s.typ == reflect.TypeFor[Ports]():
		return parsePorts(text)
	case isText(s.typ):
		return s.parseText(text)
	}
	if s.enum != nil && !slices.Contains(s.enum, text) {
		return nil, problem{"is " + clip(text), "give one of " + strings.Join(s.enum, ", ") + suggestion(text, s.enum)}
	}
	return reflect.ValueOf(text).Convert(s.typ).Interface(), problem{}
}

// want is what may be given, in words.
func (s *shape) want() string {
	switch {
	case isDuration(s.typ):
		return fmt.Sprintf("a duration from %s to %s, such as 90s, 15m or 24h", short(s.min), short(s.max))
	case isInteger(s.typ) && s.min == s.max:
		return strconv.FormatInt(s.min, 10)
	case isInteger(s.typ):
		return fmt.Sprintf("a whole number from %d to %d", s.min, s.max)
	case s.enum != nil:
		return "one of " + strings.Join(s.enum, ", ")
	}
	return s.unit
}

func (s *shape) parseDuration(text string) (any, problem) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return nil, problem{"is " + clip(text) + ", no duration", "give " + s.want()}
	case int64(d) < s.min || int64(d) > s.max:
		return nil, problem{"is " + clip(text) + ", out of range", "give " + s.want()}
	}
	return d, problem{}
}

func (s *shape) parseInteger(text string) (any, problem) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case s.min == s.max && n != s.min:
		return nil, problem{"is " + clip(text) + ", which this turnpike does not read", "give " + s.want()}
	case errors.Is(err, strconv.ErrRange), err == nil && (n < s.min || n > s.max):
		return nil, problem{"is " + clip(text) + ", out of range", "give " + s.want()}
	case err != nil:
		return nil, problem{"is " + clip(text) + ", no whole number in digits", "give " + s.want()}
	}
	return n, problem{}
}

// parseText reads what has a type of its own. What the text was is only said
// where it can't be a secret.
func (s *shape) parseText(text string) (any, problem) {
	to := reflect.New(s.typ)
	err := to.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	switch v := to.Elem().Interface().(type) {
	case Secret:
		if text == redacted {
			return nil, problem{"is the stand-in of a printed configuration", "give the secret itself"}
		}
	case KeyHash:
		if err != nil {
			return nil, problem{"is no hash", err.Error() + `; printf %s "$KEY" | sha256sum prints them`}
		}
	case netip.Prefix:
		return v, prefixProblem(text, v, err)
	case time.Time:
		return v, timeProblem(text, err)
	case netip.AddrPort:
		return v, addrPortProblem(text, v, err)
	case netip.Addr:
		return v, addrProblem(text, s.unit, v, err)
	case AutoAddr:
		return v, autoProblem(text, s.unit, v, err)
	case Endpoint:
		switch {
		case v.Unix == "":
			return v, endpointProblem(text, v, err)
		case len(v.Unix) > maxUnixPath:
			return nil, problem{fmt.Sprintf("is %s, a path of %d bytes", clip(text), len(v.Unix)),
				fmt.Sprintf("choose one of %d or fewer, the system has no room for more", maxUnixPath)}
		}
	}
	return to.Elem().Interface(), problem{}
}

func prefixProblem(text string, p netip.Prefix, err error) problem {
	if addr, bad := netip.ParseAddr(text); bad == nil && addr.Zone() == "" {
		return problem{"is " + clip(text) + ", an address without a length", fmt.Sprintf("write %v/%d for the one address", addr, addr.BitLen())}
	}
	switch {
	case err != nil:
		return problem{"is " + clip(text) + ", no network", "write ADDRESS/BITS, such as 10.1.0.0/16"}
	case p.Addr().Is4In6():
		return problem{"is " + clip(text) + ", an IPv4-mapped network", fmt.Sprintf("write %v, mapped addresses are judged as IPv4",
			netip.PrefixFrom(p.Addr().Unmap(), max(p.Bits()-96, 0)).Masked())}
	case p != p.Masked():
		return problem{"is " + clip(text) + ", with bits set behind the length", fmt.Sprintf("write %v, or %v/%d for the one address",
			p.Masked(), p.Addr(), p.Addr().BitLen())}
	}
	return problem{}
}

// timeProblem is about an instant. A day alone begins at another one in every
// time zone.
func timeProblem(text string, err error) problem {
	if err != nil {
		return problem{"is " + clip(text) + ", no time with its zone", "write 2026-12-31T00:00:00Z, or +02:00 and the like for Z (RFC 3339)"}
	}
	return problem{}
}

func addrPortProblem(text string, at netip.AddrPort, err error) problem {
	switch {
	case err != nil:
		return problem{"is " + clip(text) + ", no address with a port", `write IP:PORT, such as 0.0.0.0:3478 or "[::]:3478"`}
	case at.Port() == 0:
		return problem{"is " + clip(text) + ", and port 0 is none", "give a port from 1 to 65535"}
	}
	return hostProblem(text, at.Addr())
}

func endpointProblem(text string, e Endpoint, err error) problem {
	if strings.HasPrefix(text, unixPrefix) {
		return problem{"is " + clip(text) + ", no absolute path", "write unix:/path"}
	}
	return addrPortProblem(text, e.TCP, err)
}

func autoProblem(text, unit string, a AutoAddr, err error) problem {
	if err == nil && a.IsAuto() {
		return problem{}
	}
	return addrProblem(text, unit, a.Addr, err)
}

// addrProblem is about the address of one host.
func addrProblem(text, unit string, addr netip.Addr, err error) problem {
	switch {
	case err != nil:
		return problem{"is " + clip(text) + ", no address", "give " + unit}
	case addr.IsUnspecified():
		return problem{"is " + clip(text) + ", every address at once", "give a single " + unit}
	}
	return hostProblem(text, addr)
}

// hostProblem is about what no host of ours is reached at.
func hostProblem(text string, addr netip.Addr) problem {
	switch {
	case addr.Is4In6():
		return problem{"is " + clip(text) + ", an IPv4 address in IPv6 form", "write " + addr.Unmap().String()}
	case addr.IsLinkLocalUnicast(), addr.Zone() != "":
		return problem{"is " + clip(text) + ", a link-local address", "give an address that others can reach"}
	case addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return problem{"is " + clip(text) + ", the address of many hosts", "give the address of one"}
	}
	return problem{}
}

// clip quotes a text of the file, so that it can't garble a message.
func clip(text string) string {
	const most = 64
	if len(text) > most {
		return strconv.QuoteToASCII(text[:most]) + "..."
	}
	return strconv.QuoteToASCII(text)
}

// plain is a name as it stands, or quoted where it could garble a message.
func plain(name string) string {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(name)
	}
	return name
}

// short is a duration without the parts that are zero.
func short(nanoseconds int64) string {
	s := time.Duration(nanoseconds).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
