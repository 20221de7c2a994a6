package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes are served at the same time; one more is
// answered 503. A scrape reads every counter and holds a buffer of its answer.
const maxScrapes = 4

// Registry holds the metrics of one server. It shares nothing with the global
// registry of Prometheus, so that several servers fit in one process.
type Registry struct {
	prometheus *prometheus.Registry
}

// New makes the registry of a server. version is the server's own, a label of
// turnpike_build_info. snapshot is called once a scrape, by several goroutines
// at once; it must not block. The Go runtime's and the process's metrics come
// along.
func New(version string, snapshot func() Snapshot) *Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "turnpike_build_info",
		Help:        "Always 1; the labels say what was built.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	r := &Registry{prometheus: prometheus.NewRegistry()}
	r.prometheus.MustRegister(
		newCollector(table, snapshot),
		build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// Handler serves the metrics in the Prometheus text format to GET and HEAD.
func (r *Registry) Handler() http.Handler {
	return readOnly(promhttp.HandlerFor(r.prometheus, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.HTTPErrorOnError,
		MaxRequestsInFlight: maxScrapes,
	}))
}

// collector turns a snapshot into the families of a table.
type collector struct {
	families []family
	descs    []*prometheus.Desc
	snapshot func() Snapshot

	mu   sync.Mutex // guards sets: two scrapes may run at once
	sets [][]*set   // by family, then by label
}

func newCollector(families []family, snapshot func() Snapshot) *collector {
	c := &collector{families: families, snapshot: snapshot}
	for _, f := range families {
		names := make([]string, len(f.labels))
		sets := make([]*set, len(f.labels))
		for i, l := range f.labels {
			names[i], sets[i] = l.name, newSet(l)
		}
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, names, nil))
		c.sets = append(c.sets, sets)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.snapshot()
	for i, f := range c.families {
		for v, n := range c.fold(i, f.read(s)) {
			v := slices.Clone(v[:len(f.labels)])
			out <- prometheus.MustNewConstMetric(c.descs[i], f.kind, n, v...)
		}
	}
}

// fold brings every label of family i into its set, and adds up the samples
// that have become the same series.
func (c *collector) fold(i int, samples []sample) map[values]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	series := make(map[values]float64, len(samples))
	for _, s := range samples {
		for j, set := range c.sets[i] {
			s.values[j] = set.fold(s.values[j])
		}
		series[s.values] += s.number
	}
	return series
}
