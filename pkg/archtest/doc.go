// Package archtest holds the house rules that a machine can keep: which floor
// may import which, which module may be used where and why, that every file is
// formatted and every package explained, that no module is older than the last
// hole we know in it. It has tests only; go test ./... runs them.
//
// To break a rule, add a line with the reason to the table in rules_test.go.
package archtest
