package metrics

// MaxLearned is how many values a label without a written set may take in the
// life of the process. The largest enum of ours has about thirty; a label that
// reaches this holds something that is not an enum.
const MaxLearned = 64

// Other is the label value of everything outside a label's set.
const Other = "other"

// maxWord is the longest label value in bytes.
const maxWord = 40

// set is the values one label of one family may take.
type set struct {
	known   map[string]bool
	learned bool // grows up to MaxLearned
}

func newSet(l label) *set {
	s := &set{known: make(map[string]bool), learned: l.values == nil}
	for _, v := range l.values {
		s.known[v] = true
	}
	return s
}

// fold gives v, or Other. What was folded once is folded for ever, and what
// was let through is let through for ever, so that no counter goes back.
func (s *set) fold(v string) string {
	if s.known[v] {
		return v
	}
	if !s.learned || len(s.known) >= MaxLearned || !isWord(v) {
		return Other
	}
	s.known[v] = true
	return v
}

// isWord tells the names our enums have from anything else: addresses, most
// user names and every control character.
func isWord(v string) bool {
	if v == "" || len(v) > maxWord {
		return false
	}
	for i := range len(v) {
		c := v[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
