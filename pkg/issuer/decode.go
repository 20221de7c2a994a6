package issuer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxBody is the largest request body in bytes. The longest honest one, a user
// of 128 bytes all escaped, needs less than 1 KB.
const maxBody = 4 << 10

// ask is the body of a request; nil fields were not in it.
type ask struct {
	user, role *string
	ttl        *int64 // seconds
}

// readAsk reads the body of a request. No body at all asks for the defaults.
func readAsk(w http.ResponseWriter, r *http.Request) (ask, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return ask{}, &refusal{BodyTooLarge, "", fmt.Sprintf("the body must not exceed %d bytes", maxBody)}
		}
		return ask{}, &refusal{BodyUnreadable, "", "the body could not be read to its end"}
	}
	if len(body) == 0 {
		return ask{}, nil
	}
	if !isJSON(r.Header) {
		return ask{}, &refusal{UnsupportedMediaType, "", "send the body with Content-Type: application/json"}
	}
	return decode(body)
}

// isJSON wants the one content type that a page of a foreign origin cannot
// send without asking first.
func isJSON(h http.Header) bool {
	lines := h.Values("Content-Type")
	if len(lines) != 1 {
		return false
	}
	kind, _, err := mime.ParseMediaType(lines[0])
	return err == nil && kind == "application/json"
}

// decode reads {"user":string,"ttl":integer,"role":string}, all optional. It
// reads token by token because encoding/json into a struct takes the last of
// two equal names, takes names in any case, and leaves null unseen: each of
// them a request that says one thing to a reader and another to us.
func decode(body []byte) (ask, *refusal) {
	if !utf8.Valid(body) {
		return ask{}, &refusal{InvalidJSON, "", "the body is not valid UTF-8"}
	}
	if err := json.Unmarshal(body, new(json.RawMessage)); err != nil {
		detail := "the body is not valid JSON: " + err.Error()
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			detail += fmt.Sprintf(" (byte %d)", syntax.Offset)
		}
		return ask{}, &refusal{InvalidJSON, "", detail}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return ask{}, &refusal{InvalidJSON, "", `the body must be a JSON object, such as {"user":"alice","ttl":3600}`}
	}
	var a ask
	for dec.More() {
		if r := a.field(dec); r != nil {
			return ask{}, r
		}
	}
	return a, nil
}

// field reads one name and its value. The whole body is known to be JSON, so
// Token does not fail.
func (a *ask) field(dec *json.Decoder) *refusal {
	name, err := dec.Token()
	if err != nil {
		return &refusal{InvalidJSON, "", "the body is not valid JSON"}
	}
	value, err := dec.Token()
	if err != nil {
		return &refusal{InvalidJSON, "", "the body is not valid JSON"}
	}
	switch name {
	case "user":
		return text(&a.user, InvalidUser, "user", value)
	case "role":
		return text(&a.role, InvalidRole, "role", value)
	case "ttl":
		return a.setTTL(value)
	}
	return &refusal{UnknownField, "", fmt.Sprintf("unknown field %s: the fields are user, ttl and role", quote(name))}
}

func text(to **string, code Code, name string, value json.Token) *refusal {
	if *to != nil {
		return &refusal{DuplicateField, name, name + " is there twice"}
	}
	s, ok := value.(string)
	switch {
	case !ok:
		return &refusal{code, name, name + " must be a string; leave it out for none"}
	case s == "":
		return &refusal{code, name, name + " must not be empty; leave it out for none"}
	case strings.ContainsRune(s, utf8.RuneError):
		// encoding/json puts U+FFFD for half a surrogate pair: two different
		// users would become one.
		return &refusal{code, name, name + " must not contain U+FFFD or half a surrogate pair"}
	}
	*to = &s
	return nil
}

func (a *ask) setTTL(value json.Token) *refusal {
	if a.ttl != nil {
		return &refusal{DuplicateField, "ttl", "ttl is there twice"}
	}
	n, ok := value.(json.Number)
	if !ok {
		return &refusal{InvalidTTL, "ttl", "ttl must be a number: whole seconds, not in quotes"}
	}
	seconds, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // ErrRange: the largest there is, refused for its size later
		return &refusal{InvalidTTL, "ttl", "ttl must be whole seconds, without fraction or exponent"}
	}
	a.ttl = &seconds
	return nil
}

// quote shows a client's own text to it, shortened.
func quote(name json.Token) string {
	const most = 40
	s, _ := name.(string)
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.QuoteToASCII(s)
}
