package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// run is one server under one load, once.
type run struct {
	Cell    string   `json:"cell"`
	Server  string   `json:"server"`
	Round   int      `json:"round"`
	Command []string `json:"command"` // the load source's
	Foreign float64  `json:"foreign"` // processors taken by others, see others
	Stolen  float64  `json:"stolen"`
	Error   string   `json:"error,omitempty"`

	Flood *flooded `json:"flood,omitempty"` // what it did, if there was one

	Output json.RawMessage `json:"output,omitempty"` // the load source's
	Report *report         `json:"-"`                // what is used of it; nil after an error
}

// noisy is how much of a processor others may take before a run says little.
const noisy = 0.1

// results is everything that was run.
type results []run

// of returns a figure of one server in one cell, by round.
func (rs results) of(c cell, server string, m *metric) series {
	s := series{}
	for _, r := range rs {
		if r.Cell == c.name && r.Server == server && r.Report != nil {
			s[r.Round] = m.of(r.Report)
		}
	}
	return s
}

// worst returns the most that others took in one run of a server in a cell.
func (rs results) worst(c cell, server string) (foreign float64) {
	for _, r := range rs {
		if r.Cell == c.name && r.Server == server {
			foreign = max(foreign, r.Foreign)
		}
	}
	return foreign
}

// ratio writes how a server compares to the cell's base, and to its target if it
// has one. It is empty for the base itself.
func (rs results) ratio(c cell, server string, m *metric) string {
	if server == c.compared() {
		return ""
	}
	s := rs.of(c, server, m).ratios(rs.of(c, c.compared(), m)).spread()
	text := s.format(func(v float64) string { return fmt.Sprintf("%.2f", v) })
	i := slices.IndexFunc(c.targets, func(t target) bool { return t.metric == m && t.server == server })
	if i < 0 || s.Rounds == 0 {
		return text
	}
	verdict := "met"
	if s.Median > c.targets[i].atMost {
		verdict = "MISSED"
	}
	return fmt.Sprintf("%s, target %.2f %s", text, c.targets[i].atMost, verdict)
}

// row is one server of one cell.
func (rs results) row(c cell, server string) []string {
	row := []string{c.name, server}
	for _, m := range c.part.metrics {
		row = append(row, rs.of(c, server, m).spread().format(m.format))
		if m.compared {
			row = append(row, rs.ratio(c, server, m))
		}
	}
	return append(row, fmt.Sprintf("%.2f", rs.worst(c, server)))
}

func (p *part) head(base string) []string {
	head := []string{"load", "server"}
	for _, m := range p.metrics {
		head = append(head, m.title)
		if m.compared {
			head = append(head, "/ "+base)
		}
	}
	return append(head, "foreign CPU")
}

// write writes the tables of what was run, as Markdown.
func (rs results) write(w io.Writer, cells []cell) error {
	var text strings.Builder
	var last *part
	for _, c := range cells {
		var rows [][]string
		for _, s := range servers {
			if slices.ContainsFunc(rs, func(r run) bool { return r.Cell == c.name && r.Server == s.name }) {
				rows = append(rows, rs.row(c, s.name))
			}
		}
		if len(rows) == 0 {
			continue
		}
		if c.part != last {
			head := c.part.head(c.compared())
			fmt.Fprintf(&text, "\n## %s\n\n%s\n\n%s%s", c.part.title, c.part.about, line(head), line(slices.Repeat([]string{"---"}, len(head))))
			last = c.part
		}
		for _, row := range rows {
			text.WriteString(line(row))
		}
	}
	rs.writeFaults(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

func line(fields []string) string { return "| " + strings.Join(fields, " | ") + " |\n" }

// writeFaults writes what makes the tables worth less than they look.
func (rs results) writeFaults(text *strings.Builder) {
	if len(rs) == 0 {
		return
	}
	worst := slices.MaxFunc(rs, func(a, b run) int {
		switch {
		case a.Foreign < b.Foreign:
			return -1
		case a.Foreign > b.Foreign:
			return 1
		}
		return 0
	})
	fmt.Fprintf(text, "\nOther processes took at most %.2f CPU (%s, %s, round %d).\n", worst.Foreign, worst.Cell, worst.Server, worst.Round+1)
	loud := 0
	for _, r := range rs {
		if r.Foreign > noisy {
			loud++
		}
	}
	if loud > 0 {
		fmt.Fprintf(text, "\n**WARNING: in %d of %d runs it was more than %.1f: let the machine alone and measure again.**\n", loud, len(rs), noisy)
	}
	for _, r := range rs {
		if r.Error != "" {
			fmt.Fprintf(text, "\n**FAILED: %s, %s, round %d:** %s\n", r.Cell, r.Server, r.Round+1, strings.TrimSpace(r.Error))
		}
	}
}

// failed reports whether any run gave no figures.
func (rs results) failed() bool {
	return slices.ContainsFunc(rs, func(r run) bool { return r.Error != "" })
}
