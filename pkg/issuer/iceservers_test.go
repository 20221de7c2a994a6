package issuer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func (b *bed) ice(query string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/v1/ice-servers?"+query, nil)
	r.Header.Set("X-API-Key", b.plain)
	for _, f := range change {
		f(r)
	}
	return b.do(r)
}

func TestICEServers(t *testing.T) {
	b := newBed(t)
	var config struct {
		ICEServers         []iceServer `json:"iceServers"`
		ICETransportPolicy string      `json:"iceTransportPolicy"`
	}
	w := b.ice("user=alice&role=guest&ttl=60&transports=tls,udp&label=room+7&consent_ref=c-1")
	if err := json.Unmarshal(w.Body.Bytes(), &config); w.Code != 200 || err != nil {
		t.Fatalf("%d %v %s", w.Code, err, w.Body)
	}
	turn := config.ICEServers[1]
	if config.ICETransportPolicy != "relay" || !strings.HasSuffix(turn.Username, ".acme:alice") || turn.Credential == "" ||
		!reflect.DeepEqual(turn.URLs, []string{turnURIs[0], turnURIs[2]}) || !reflect.DeepEqual(config.ICEServers[0], iceServer{URLs: stunURIs}) {
		t.Errorf("%s", w.Body)
	}
	if r := b.records[0]; r.User != "alice" || r.Role != "guest" || r.Label != "room 7" || r.ConsentRef != "c-1" || r.Route != ICEServers ||
		r.Expires.Sub(r.At).Seconds() != 60 {
		t.Errorf("%+v", r)
	}

	var list []iceServer
	w = b.ice("format=array")
	if err := json.Unmarshal(w.Body.Bytes(), &list); w.Code != 200 || err != nil || len(list) != 2 || list[1].Username == "" {
		t.Errorf("%d %v %s", w.Code, err, w.Body)
	}
}

func TestICEServersRefusals(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Keys[0].AllowQueryKey = true })
	for query, want := range map[string]struct {
		code  Code
		field string
	}{
		"format=object":            {InvalidFormat, "format"},
		"format=":                  {InvalidFormat, "format"},
		"format=array&format=x":    {DuplicateField, "format"},
		"user=a&user=a":            {DuplicateField, "user"},
		"user=":                    {InvalidUser, "user"},
		"user=%00":                 {InvalidUser, "user"},
		"user=%ff":                 {InvalidUser, "user"},
		"ttl=":                     {InvalidTTL, "ttl"},
		"ttl=1.5":                  {InvalidTTL, "ttl"},
		"ttl=172801":               {InvalidTTL, "ttl"},
		"role=admin":               {InvalidRole, "role"},
		"transports=":              {InvalidTransports, "transports"},
		"transports=udp,udp":       {InvalidTransports, "transports"},
		"transports=udp,dtls":      {InvalidTransports, "transports"},
		"label=a%0ab":              {InvalidLabel, "label"},
		"User=a":                   {UnknownField, ""},
		"key=x":                    {UnknownField, ""},
		"user=%zz":                 {InvalidForm, ""},
		"user=a;ttl=1":             {InvalidForm, ""},
		"transports=udp&ttl=%31":   {granted, ""},
		"role=guest&ttl=3600":      {granted, ""},
		"transports=udp%2Ctcp":     {granted, ""},
		"user=a%2fb%20c%3ad&ttl=1": {granted, ""},
	} {
		w := b.ice(query)
		if want.code == granted {
			if w.Code != 200 {
				t.Errorf("%s: %s", query, w.Body)
			}
			continue
		}
		t.Run(query, func(t *testing.T) { wantProblem(t, w, want.code, want.field) })
	}
	// The key is no parameter here, whatever it allows elsewhere.
	wantProblem(t, b.ice("key="+b.plain, func(r *http.Request) { r.Header.Del("X-API-Key") }), Unauthorized, "")
}

// granted stands for no refusal.
const granted = Code(NumCodes)
