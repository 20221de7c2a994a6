package snippet

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// quotes are what templates write values with, each for the language of the file.
var quotes = template.FuncMap{
	"json": quoteJSON, "lua": quoteLua, "xml": quoteXML, "sh": quoteShell,
	"strings": texts, "seconds": seconds, "minutes": minutes, "servers": servers,
}

// quoteJSON is for YAML and JavaScript too, whose double quotes take the same
// escapes.
func quoteJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// quoteLua is for Lua and libconfig, which know no \u of JSON. Other bytes stand as
// they are; control characters have no place in a secret or a path.
func quoteLua(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func quoteXML(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func texts(uris []URI) (all []string) {
	for _, u := range uris {
		all = append(all, u.String())
	}
	return all
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func minutes(d time.Duration) string { return strconv.Itoa(int(d / time.Minute)) }

// servers are RTCIceServer dictionaries without credentials, STUN and TURN apart.
func servers(lists ...[]URI) (all []map[string][]string) {
	for _, uris := range lists {
		if len(uris) > 0 {
			all = append(all, map[string][]string{"urls": texts(uris)})
		}
	}
	return all
}
