// Package metrics is every metric name of the server on one page.
//
// The page is table.go: one row a family, with its help, its labels and where
// in a [Snapshot] its numbers are. Whoever looks for a name, or wants a new
// one, needs no other file.
//
// # Live, not on the way out
//
// Nothing is counted here. The packages that do the work count in atomics of
// their own, and the caller of [New] reads them into a Snapshot of plain
// numbers at each scrape. A counter therefore moves while a session lives, not
// when it has ended, and no package but this one knows Prometheus.
//
// # Closed label sets
//
// No user, no tenant, no address and no text a client chose is ever a label: a
// label value costs memory here and in every Prometheus that scrapes, for
// ever. The Snapshot cannot promise that, so the package enforces it: a value
// outside a label's set is counted under "other". A set is either written in
// the table (transports, directions) or learned: lower-case words as the enums
// of the other packages have, and only the first [MaxLearned] of them.
//
// # Health
//
// [Health] serves /livez and /readyz. [HTTPServer] bounds what a connection to
// either handler may cost.
package metrics
