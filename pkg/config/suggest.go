package config

import "strings"

// suggestion is a question about the known name that a text is nearest to, to
// be put behind a cure, or nothing.
func suggestion(text string, known []string) string {
	if name := Nearest(text, known); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// Nearest is the known name that a text was most likely meant to be: one slip
// is allowed for every four characters, and case makes no difference.
func Nearest(text string, known []string) (name string) {
	least := len(text)/4 + 2
	if len(text) > 128 {
		return ""
	}
	for _, k := range known {
		if d := slips(strings.ToLower(text), strings.ToLower(k)); d < least {
			name, least = k, d
		}
	}
	return name
}

// slips counts the characters to be added, dropped or replaced to make a from b
// (the Levenshtein distance).
func slips(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := corner
			if a[i] != b[j] {
				replace++
			}
			corner = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
