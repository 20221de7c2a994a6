package auth

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

const (
	// maxRuleText and maxRuleSteps bound the regular expression of an IDRule: it
	// is applied for every wrong password, and takes time by its steps and the
	// length of the user, which is MaxUser at most.
	maxRuleText  = 256
	maxRuleSteps = 64
)

// IDRule says who the user of a username is, for whom limits a user hold. The
// zero rule takes all that is beside the expiry.
type IDRule struct {
	none bool
	find *regexp.Regexp
}

// NoUsers is for applications whose usernames name no user, or another one each
// time: limits a user do not hold.
func NoUsers() IDRule { return IDRule{none: true} }

// FindUser takes the one group of a regular expression (RE2). A username in
// which it finds nothing is refused: its user could evade every limit.
func FindUser(expression string) (IDRule, error) {
	if len(expression) > maxRuleText {
		return IDRule{}, fmt.Errorf("auth: id rule: %d bytes, at most %d are allowed", len(expression), maxRuleText)
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return IDRule{}, fmt.Errorf("auth: id rule: %w; write a regular expression of RE2: https://github.com/google/re2/wiki/Syntax", err)
	}
	if n := parsed.MaxCap(); n != 1 {
		return IDRule{}, fmt.Errorf("auth: id rule: %d groups; put the user, and nothing else, in parentheses; (?:...) is no group", n)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return IDRule{}, fmt.Errorf("auth: id rule: %w", err)
	}
	if n := len(program.Inst); n > maxRuleSteps {
		return IDRule{}, fmt.Errorf("auth: id rule: %d steps, at most %d are allowed; write it with fewer repetitions, such as + for {1,100}", n, maxRuleSteps)
	}
	find, err := regexp.Compile(expression)
	if err != nil {
		return IDRule{}, errors.New("auth: id rule: not a regular expression of RE2")
	}
	return IDRule{find: find}, nil
}

// fits reports whether the rule finds something. It allocates nothing.
func (r IDRule) fits(named string) bool { return r.find == nil || r.find.MatchString(named) }

// user is who it is of a username that fits.
func (r IDRule) user(named string) (user string, ok bool) {
	switch {
	case r.none:
		return "", true
	case r.find == nil:
		return named, true
	}
	at := r.find.FindStringSubmatchIndex(named)
	if at == nil || at[2] == at[3] { // -1 both, where the group took no part
		return "", false
	}
	return named[at[2]:at[3]], true
}
