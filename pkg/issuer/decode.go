package issuer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"turnpike/auth"
)

const (
	// maxBody is the largest request body in bytes. The longest honest one, with
	// user, room, label and consent_ref of 128 bytes each and all escaped, needs less.
	maxBody = 4 << 10
	// maxText is the longest label and consent_ref in bytes.
	maxText = 128
)

// ask is what a request asks for; nil fields were not in it.
type ask struct {
	user, role        *string
	ttl               *int64          // seconds
	transports        auth.Transports // none: those of the role
	label, consentRef *string
	room              *string
}

// readBody reads the body of a request to its end.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return body, nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &refusal{code: BodyTooLarge, detail: fmt.Sprintf("the body must not exceed %d bytes", maxBody)}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &refusal{code: RequestTimeout, detail: "the body did not arrive in time"}
	}
	return nil, &refusal{code: BodyUnreadable, detail: "the body could not be read to its end"}
}

// readAsk reads the body of POST /v1/credentials. No body at all asks for the
// defaults.
func readAsk(w http.ResponseWriter, r *http.Request) (ask, *refusal) {
	body, refused := readBody(w, r)
	if refused != nil || len(body) == 0 {
		return ask{}, refused
	}
	if mediaType(r.Header) != "application/json" {
		return ask{}, notJSONType
	}
	return decode(body)
}

var notJSONType = &refusal{code: UnsupportedMediaType, detail: "send the body with Content-Type: application/json"}

// mediaType is the one content type of a body; "" if there are several, or none.
func mediaType(h http.Header) string {
	lines := h.Values("Content-Type")
	if len(lines) != 1 {
		return ""
	}
	kind, _, err := mime.ParseMediaType(lines[0])
	if err != nil {
		return ""
	}
	return kind
}

// decode reads the object of POST /v1/credentials; every field is optional.
func decode(body []byte) (a ask, _ *refusal) {
	refused := readObject(body, a.field)
	if refused != nil {
		return ask{}, refused
	}
	return a, nil
}

// readObject gives each name of a JSON object to field, with the decoder before
// its value. It reads token by token because encoding/json into a struct takes
// the last of two equal names, takes names in any case, and leaves null unseen:
// each of them a request that says one thing to a reader and another to us.
func readObject(body []byte, field func(name string, dec *json.Decoder) *refusal) *refusal {
	if !utf8.Valid(body) {
		return &refusal{code: InvalidJSON, detail: "the body is not valid UTF-8"}
	}
	if err := json.Unmarshal(body, new(json.RawMessage)); err != nil {
		detail := "the body is not valid JSON: " + err.Error()
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			detail += fmt.Sprintf(" (byte %d)", syntax.Offset)
		}
		return &refusal{code: InvalidJSON, detail: detail}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return &refusal{code: InvalidJSON, detail: `the body must be a JSON object, such as {"user":"alice","ttl":3600}`}
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return notJSON
		}
		if r := field(name.(string), dec); r != nil {
			return r
		}
	}
	return nil
}

// notJSON does not happen: the whole body is known to be JSON by then.
var notJSON = &refusal{code: InvalidJSON, detail: "the body is not valid JSON"}

// field reads the value of one name.
func (a *ask) field(name string, dec *json.Decoder) *refusal {
	if name == "transports" {
		return a.setTransports(dec)
	}
	value, err := dec.Token()
	if err != nil {
		return notJSON
	}
	if name == "ttl" {
		return a.setTTL(value)
	}
	return a.text(name, value)
}

// text reads the value of what is text.
func (a *ask) text(name string, value json.Token) *refusal {
	switch name {
	case "user":
		return text(&a.user, InvalidUser, "user", value)
	case "role":
		return text(&a.role, InvalidRole, "role", value)
	case "label":
		return note(&a.label, InvalidLabel, "label", value)
	case "consent_ref":
		return note(&a.consentRef, InvalidConsentRef, "consent_ref", value)
	case "room":
		return note(&a.room, InvalidRoom, "room", value)
	}
	return &refusal{code: UnknownField,
		detail: fmt.Sprintf("there is no field %s: they are user, ttl, role, transports, room, label and consent_ref", quote(name))}
}

func text(to **string, code Code, name string, value json.Token) *refusal {
	if *to != nil {
		return &refusal{code: DuplicateField, field: name, detail: name + " is there twice"}
	}
	s, ok := value.(string)
	switch {
	case !ok:
		return &refusal{code: code, field: name, detail: name + " must be a string; leave it out for none"}
	case s == "":
		return &refusal{code: code, field: name, detail: name + " must not be empty; leave it out for none"}
	case strings.ContainsRune(s, utf8.RuneError):
		// encoding/json puts U+FFFD for half a surrogate pair: two different
		// users would become one.
		return &refusal{code: code, field: name, detail: name + " must not contain U+FFFD or half a surrogate pair"}
	}
	*to = &s
	return nil
}

// note reads a text that goes into records and nowhere else: short, and in
// characters that forge or hide no line of a log.
func note(to **string, code Code, name string, value json.Token) *refusal {
	if r := text(to, code, name, value); r != nil {
		return r
	}
	if s := **to; len(s) > maxText || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return &refusal{code: code, field: name, detail: fmt.Sprintf("%s must be at most %d bytes of printable text", name, maxText)}
	}
	return nil
}

func (a *ask) setTTL(value json.Token) *refusal {
	if a.ttl != nil {
		return &refusal{code: DuplicateField, field: "ttl", detail: "ttl is there twice"}
	}
	n, ok := value.(json.Number)
	if !ok {
		return &refusal{code: InvalidTTL, field: "ttl", detail: "ttl must be a number: whole seconds, not in quotes"}
	}
	return a.parseTTL(n.String())
}

func (a *ask) parseTTL(s string) *refusal {
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // ErrRange: the largest there is, refused for its size later
		return &refusal{code: InvalidTTL, field: "ttl", detail: "ttl must be whole seconds, without fraction or exponent"}
	}
	a.ttl = &seconds
	return nil
}

// quote shows a client's own text to it, shortened.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.QuoteToASCII(s)
}
