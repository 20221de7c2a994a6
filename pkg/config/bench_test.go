package config

import "testing"

// BenchmarkLoad100000 reads a policy file of 100,000 lines.
func BenchmarkLoad100000(b *testing.B) {
	for name, form := range map[string]string{
		"short": "    - 100.%d.%d.%d\n",
		"long":  "    - {match: 100.%d.%d.%d, ports: [80, 8000-8999], comment: lab, ticket: OPS-12, expires_at: 2026-12-31T00:00:00Z}\n",
	} {
		b.Run(name, func(b *testing.B) {
			bed := newBed(b)
			bed.putPolicy("a.yaml", manyLines(100_000, form))
			for b.Loop() {
				bed.mustLoad(least)
			}
		})
	}
}

// BenchmarkReload100000 reads the configuration again of which another file has
// changed.
func BenchmarkReload100000(b *testing.B) {
	bed := newBed(b)
	bed.putPolicy("a.yaml", manyLines(100_000, "    - 100.%d.%d.%d\n"))
	bed.putPolicy("b.yaml", policyText)
	c := bed.mustLoad(least)
	bed.putPolicy("b.yaml", policyText+"# edited\n")
	for b.Loop() {
		if wrong := bed.next(c, least); wrong != "" {
			b.Fatal(wrong)
		}
	}
}

// BenchmarkChanges100000: one line of 100,000 is another one.
func BenchmarkChanges100000(b *testing.B) {
	bed := newBed(b)
	text := manyLines(100_000, "    - 100.%d.%d.%d\n")
	bed.putPolicy("a.yaml", text)
	was := bed.mustLoad(least)
	bed.putPolicy("a.yaml", text+"    - 101.0.0.1\n")
	is := bed.mustLoad(least)
	for b.Loop() {
		if n := len(was.Changes(is)); n != 1 {
			b.Fatalf("%d changes", n)
		}
	}
}
