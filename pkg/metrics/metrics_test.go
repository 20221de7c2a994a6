package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// full is a snapshot with a number in every field, and no number twice.
func full() Snapshot {
	return Snapshot{
		Allocations:         map[[2]string]int{{"udp", "ipv4"}: 3, {"tcp", "ipv4"}: 2, {"tls", "ipv6"}: 1},
		AllocationsTotal:    map[string]uint64{"success": 10, "quota": 4},
		RelayBytes:          map[[2]string]uint64{{"to_peer", "udp"}: 1200, {"to_client", "tls"}: 3400},
		RelayPackets:        map[[2]string]uint64{{"to_peer", "udp"}: 12, {"to_client", "tcp"}: 34},
		HandedOver:          5,
		Dropped:             map[[2]string]uint64{{"control", "malformed"}: 6, {"data", "no_permission"}: 7},
		Responses:           map[[2]string]uint64{{"allocate", "401"}: 8, {"create_permission", "403"}: 9},
		PeerDenied:          map[string]uint64{"private": 11},
		Auth:                map[string]uint64{"ok": 13, "expired": 14},
		QuotaRefused:        map[string]uint64{"user_allocations": 15},
		Minted:              16,
		IssuerRequests:      map[[2]string]uint64{{"credentials", "unauthorized"}: 17},
		EngineQueue:         18,
		EngineStallSeconds:  0.25,
		Accounts:            19,
		RelayPortsFree:      20,
		RecordsLost:         22,
		AccountingWaiting:   51,
		AccountingLost:      52,
		Streams:             map[string]int{"opening": 23, "tls": 24},
		StreamsAccepted:     25,
		StreamsClosed:       map[string]uint64{"first_frame": 26},
		PolicyRules:         map[string]int{"allow": 27, "deny": 28},
		ReloadGood:          1,
		ReloadTime:          41,
		Reloads:             map[string]uint64{"refused": 42},
		PolicyGeneration:    43,
		CertificateNotAfter: map[string]float64{"relay": 29},
		CertificateErrors:   30,
		ACMEOrders:          map[string]uint64{"issued": 59, "failed": 60},
		UnknownNames:        61,
		DataPlane:           "mmsg",
		PlaneFeatures:       map[string]int{"gso": 1},
		ListenerBuffers:     map[string]int{"receive": 34, "send": 35},
		ListenerOverflow:    36,
		Draining:            31,
		SessionsEnded:       map[string]uint64{"revoked": 44},
		Revocations:         45,
		StreamAcceptErrors:  32,
		LogLinesLost:        33,
		ICMPErrors:          map[string]uint64{"sent": 37},
		EngineFaults:        map[string]uint64{"expired": 21},
		Limits:              map[[2]string]uint64{{"user", "refused"}: 62, {"bytes", "unheard"}: 63},
		StoreUp:             1,
		StoreSilence:        64,
		StoreAway:           65,
		StoreErrors:         66,
		StoreOperations:     67,
		StoreLost:           68,
		StoreSettled:        69,
		Questions:           70,
		QuestionsWaiting:    71,
		Nodes:               72,
	}
}

// scrape fetches the handler's text and parses it.
func scrape(t *testing.T, r *Registry) (string, map[string]*dto.MetricFamily) {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	body := w.Body.String()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("the exposition does not parse: %v", err)
	}
	return body, families
}

// ours gives the series of the table as "name{label=value,...} number".
func ours(families map[string]*dto.MetricFamily) map[string]float64 {
	out := make(map[string]float64)
	for name, f := range families {
		if !strings.HasPrefix(name, "turnpike_") || name == "turnpike_build_info" {
			continue
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			out[name+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

func TestExposition(t *testing.T) {
	_, families := scrape(t, New("v1.2.3", full))
	want := map[string]float64{
		"turnpike_allocations{family=ipv4,transport=udp}":                  3,
		"turnpike_allocations{family=ipv4,transport=tcp}":                  2,
		"turnpike_allocations{family=ipv6,transport=tls}":                  1,
		"turnpike_allocations_total{result=success}":                       10,
		"turnpike_allocations_total{result=quota}":                         4,
		"turnpike_relay_bytes_total{direction=to_peer,transport=udp}":      1200,
		"turnpike_relay_bytes_total{direction=to_client,transport=tls}":    3400,
		"turnpike_relay_packets_total{direction=to_peer,transport=udp}":    12,
		"turnpike_relay_packets_total{direction=to_client,transport=tcp}":  34,
		"turnpike_relay_handed_over_packets_total{}":                       5,
		"turnpike_dropped_packets_total{reason=malformed,stage=control}":   6,
		"turnpike_dropped_packets_total{reason=no_permission,stage=data}":  7,
		"turnpike_stun_responses_total{code=401,method=allocate}":          8,
		"turnpike_stun_responses_total{code=403,method=create_permission}": 9,
		"turnpike_permission_denied_total{rule=private}":                   11,
		"turnpike_auth_total{result=ok}":                                   13,
		"turnpike_auth_total{result=expired}":                              14,
		"turnpike_quota_rejected_total{quota=user_allocations}":            15,
		"turnpike_limit_decisions_total{decision=refused,limit=user}":      62,
		"turnpike_limit_decisions_total{decision=unheard,limit=bytes}":     63,
		"turnpike_store_up{}":                                                 1,
		"turnpike_store_silence_seconds{}":                                    64,
		"turnpike_store_away_total{}":                                         65,
		"turnpike_store_errors_total{}":                                       66,
		"turnpike_store_operations_total{}":                                   67,
		"turnpike_store_lost_total{}":                                         68,
		"turnpike_store_settled_total{}":                                      69,
		"turnpike_store_questions_total{}":                                    70,
		"turnpike_store_questions_waiting{}":                                  71,
		"turnpike_nodes{}":                                                    72,
		"turnpike_credentials_issued_total{}":                                 16,
		"turnpike_issuer_requests_total{code=unauthorized,route=credentials}": 17,
		"turnpike_engine_queue_requests{}":                                    18,
		"turnpike_engine_stall_seconds{}":                                     0.25,
		"turnpike_quota_accounts{}":                                           19,
		"turnpike_relay_ports_free{}":                                         20,
		"turnpike_engine_faults_total{fault=expired}":                         21,
		"turnpike_session_records_lost_total{}":                               22,
		"turnpike_accounting_waiting_bytes{}":                                 51,
		"turnpike_accounting_lost_total{}":                                    52,
		"turnpike_stream_connections{state=opening}":                          23,
		"turnpike_stream_connections{state=tls}":                              24,
		"turnpike_stream_accepted_total{}":                                    25,
		"turnpike_stream_closed_total{reason=first_frame}":                    26,
		"turnpike_policy_rules{list=allow}":                                   27,
		"turnpike_config_last_reload_successful{}":                            1,
		"turnpike_config_last_reload_success_timestamp_seconds{}":             41,
		"turnpike_config_reloads_total{result=refused}":                       42,
		"turnpike_policy_generation{}":                                        43,
		"turnpike_policy_rules{list=deny}":                                    28,
		"turnpike_tls_certificate_not_after_seconds{name=relay}":              29,
		"turnpike_tls_reload_errors_total{}":                                  30,
		"turnpike_sessions_ended_total{reason=revoked}":                       44,
		"turnpike_revocations{}":                                              45,
		"turnpike_acme_orders_total{result=issued}":                           59,
		"turnpike_acme_orders_total{result=failed}":                           60,
		"turnpike_acme_unknown_names_total{}":                                 61,
		"turnpike_log_lines_lost_total{}":                                     33,
		"turnpike_stream_accept_errors_total{}":                               32,
		"turnpike_draining{}":                                                 31,
		"turnpike_data_plane_info{name=mmsg}":                                 1,
		"turnpike_data_plane_feature{feature=gso}":                            1,
		"turnpike_listener_buffer_bytes{buffer=receive}":                      34,
		"turnpike_listener_buffer_bytes{buffer=send}":                         35,
		"turnpike_listener_overflowed_packets_total{}":                        36,
		"turnpike_icmp_errors_total{result=sent}":                             37,
	}
	got := ours(families)
	for series, n := range want {
		if v, ok := got[series]; !ok || v != n {
			t.Errorf("%s = %v (there: %v), want %v", series, v, ok, n)
		}
	}
	for series := range got {
		if _, ok := want[series]; !ok {
			t.Errorf("unexpected series %s", series)
		}
	}
	build := families["turnpike_build_info"]
	if build == nil || build.Metric[0].GetGauge().GetValue() != 1 || !strings.Contains(build.String(), "v1.2.3") {
		t.Errorf("turnpike_build_info = %v", build)
	}
	for _, name := range []string{"go_goroutines", "process_open_fds"} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestTypes(t *testing.T) {
	_, families := scrape(t, New("v1", full))
	for _, f := range table {
		want := map[prometheus.ValueType]dto.MetricType{counter: dto.MetricType_COUNTER, gauge: dto.MetricType_GAUGE}[f.kind]
		if got := families[f.name]; got == nil || got.GetType() != want || got.GetHelp() != f.help {
			t.Errorf("%s: %v, want type %v and help %q", f.name, got, want, f.help)
		}
	}
}

func TestPromlint(t *testing.T) {
	body, _ := scrape(t, New("v1", full))
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "turnpike_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestTableIsSound(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range table {
		if seen[f.name] {
			t.Errorf("%s twice", f.name)
		}
		seen[f.name] = true
		if !strings.HasPrefix(f.name, "turnpike_") || !strings.HasSuffix(f.help, ".") {
			t.Errorf("%s %q: a name begins with turnpike_, a help is a sentence", f.name, f.help)
		}
		if len(f.labels) > maxLabels {
			t.Errorf("%s has %d labels; maxLabels is %d", f.name, len(f.labels), maxLabels)
		}
		for _, l := range f.labels {
			for _, v := range l.values {
				if !isWord(v) {
					t.Errorf("%s: value %q of %s is no word", f.name, v, l.name)
				}
			}
		}
	}
}

func TestLive(t *testing.T) {
	var packets atomic.Uint64
	r := New("v1", func() Snapshot {
		return Snapshot{RelayPackets: map[[2]string]uint64{{"to_peer", "udp"}: packets.Load()}}
	})
	const series = "turnpike_relay_packets_total{direction=to_peer,transport=udp}"
	for _, want := range []uint64{0, 41, 42} {
		packets.Store(want)
		_, families := scrape(t, r)
		if got := ours(families)[series]; got != float64(want) {
			t.Errorf("%s = %v, want %d", series, got, want)
		}
	}
}

func TestForeignLabelValues(t *testing.T) {
	foreign := []string{
		"alice@example.org", "@alice:example.org", "192.0.2.1", "2001:db8::1", "192.0.2.1:3478",
		"Alice", "a b", "a\nb", "a\"b", "\xff", "é", "", strings.Repeat("a", maxWord+1),
	}
	s := Snapshot{
		Allocations: map[[2]string]int{{"udp", "ipv4"}: 1, {"sctp", "ipx"}: 2},
		Auth:        map[string]uint64{"ok": 1},
		Dropped:     map[[2]string]uint64{{"data", "malformed"}: 1},
	}
	for _, v := range foreign {
		s.Auth[v] = 1
		s.Dropped[[2]string{v, v}] = 1
	}
	_, families := scrape(t, New("v1", func() Snapshot { return s }))
	got := ours(families)
	n := float64(len(foreign))
	for series, want := range map[string]float64{
		"turnpike_allocations{family=ipv4,transport=udp}":             1,
		"turnpike_allocations{family=other,transport=other}":          2,
		"turnpike_auth_total{result=ok}":                              1,
		"turnpike_auth_total{result=other}":                           n,
		"turnpike_dropped_packets_total{reason=malformed,stage=data}": 1,
		"turnpike_dropped_packets_total{reason=other,stage=other}":    n,
	} {
		if got[series] != want {
			t.Errorf("%s = %v, want %v", series, got[series], want)
		}
	}
	for _, name := range []string{"turnpike_auth_total", "turnpike_dropped_packets_total"} {
		if k := len(families[name].Metric); k != 2 {
			t.Errorf("%s has %d series, want 2", name, k)
		}
	}
}

// A caller that puts user names under a label by mistake must not cost a
// series a user, however often it is scraped, nor make a counter go back.
func TestLearnedValuesAreBounded(t *testing.T) {
	round := 0
	r := New("v1", func() Snapshot {
		round++
		auth := map[string]uint64{"ok": uint64(round)}
		for i := range 50 {
			auth[fmt.Sprintf("user%d_%d", round, i)] = 1
		}
		return Snapshot{Auth: auth}
	})
	distinct := make(map[string]bool)
	for i := 1; i <= 20; i++ {
		_, families := scrape(t, r)
		got := ours(families)
		if got["turnpike_auth_total{result=ok}"] != float64(i) {
			t.Fatalf("round %d: ok = %v", i, got["turnpike_auth_total{result=ok}"])
		}
		for series := range got {
			if strings.HasPrefix(series, "turnpike_auth_total") {
				distinct[series] = true
			}
		}
	}
	if len(distinct) != MaxLearned+1 {
		t.Errorf("%d series in all, want %d and one for other", len(distinct), MaxLearned)
	}
}

func TestConcurrentScrapes(t *testing.T) {
	r := New("v1", full)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := r.prometheus.Gather(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestScrapesAreBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := New("v1", func() Snapshot {
		entered <- struct{}{}
		<-leave
		return Snapshot{}
	}).Handler()
	serve := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return w.Code
	}
	var wg sync.WaitGroup
	for range maxScrapes {
		wg.Go(func() {
			if code := serve(); code != http.StatusOK {
				t.Errorf("a scrape within the bound: %d", code)
			}
		})
		<-entered
	}
	if code := serve(); code != http.StatusServiceUnavailable {
		t.Errorf("one scrape too many: %d, want 503", code)
	}
	close(leave)
	wg.Wait()
}

func TestMetricsMethods(t *testing.T) {
	h := New("v1", full).Handler()
	for method, want := range map[string]int{
		http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405, http.MethodOptions: 405, "X": 405,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/metrics", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
		if want == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow = %q", method, w.Header().Get("Allow"))
		}
	}
}

func BenchmarkGather(b *testing.B) {
	r := New("v1", full)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.prometheus.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
