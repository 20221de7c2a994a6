package wire

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed page.md
var pageHead string

// Page is docs/wire.md: what was sent and answered in each case, by its key.
func Page(played map[string][]Exchange) (string, error) {
	stock, err := StockDeviations()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	failed, all := count(stock)
	fmt.Fprintf(&b, pageHead, all, failed)
	for _, chapter := range Table() {
		fmt.Fprintf(&b, "\n## %s\n\n| RFC | case | over | request | answer | stock pion |\n|---|---|---|---|---|---|\n", chapter.Title)
		for _, c := range chapter.Cases {
			e := Entry{c, chapter.Title}
			requests, answers := columns(played[e.Key()], c.Over)
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.RFC, c.Name, overText(c.Over), requests, answers, cell(stock[e.Key()]))
		}
	}
	return b.String(), nil
}

// count tells how many cases stock pion fails, and how many there are.
func count(stock map[string]string) (failed, all int) {
	for _, what := range stock {
		if what != NotAsked {
			failed++
		}
	}
	return failed, len(Cases())
}

func overText(o Over) string {
	if o == 0 {
		o = Everywhere
	}
	return o.String()
}

func cell(what string) string {
	if what == "" {
		return "same"
	}
	return strings.ReplaceAll(what, "|", "\\|")
}

// columns are what a case is about, a line a message.
func columns(log []Exchange, over Over) (requests, answers string) {
	var left, right []string
	for _, x := range log {
		if !x.step.given {
			left, right = append(left, x.requestText()), append(right, x.answerText(over))
		}
	}
	if n := len(left); n > 12 { // all of one sort
		left = append(left[:2], fmt.Sprintf("and %d more", n-2))
	}
	if len(slices.Compact(slices.Clone(right))) == 1 {
		right = right[:1]
	}
	return strings.Join(left, "<br>"), strings.Join(right, "<br>")
}

func (x *Exchange) requestText() string {
	if x.step.do == peerSays {
		return fmt.Sprintf("%s says %q", x.step.peer, x.step.text)
	}
	name := ""
	if x.step.from != "" {
		name = "from another port: "
	}
	return name + Describe(x.request)
}

// answerText says what came, or what it came to.
func (x *Exchange) answerText(over Over) string {
	switch w := &x.step.want; w.kind {
	case closed:
		if over == UDP {
			return "nothing"
		}
		return "nothing; a stream is closed"
	case repeated:
		return "the same answer, byte for byte"
	case relayed:
		return fmt.Sprintf("the peer gets %q", w.text)
	case handed:
		return fmt.Sprintf("the other client gets %q", w.text)
	case delivered:
		if w.number != 0 {
			return fmt.Sprintf("the client gets `%x`", x.answer)
		}
		return "the client gets " + Describe(x.answer)
	case answered:
		text := describeAnswer(x.answer)
		if w.most > 0 {
			text += fmt.Sprintf(" (%d bytes for %d)", len(x.answer), len(x.request))
		}
		return text
	}
	return "nothing"
}

// Stale says where a page differs from what it should be; nothing if it does not.
func Stale(page []byte, want string) string {
	if bytes.Equal(page, []byte(want)) {
		return ""
	}
	have := strings.Split(string(page), "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(have) || have[i] != line {
			return fmt.Sprintf("line %d should be: %s", i+1, line)
		}
	}
	return "it is longer than it should be"
}
