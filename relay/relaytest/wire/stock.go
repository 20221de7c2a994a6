package wire

import (
	_ "embed"
	"fmt"
	"strings"
)

// stockTable is what stock pion does where it deviates from the table: a line a
// case, its key and the deviation.
//
//go:embed stock.tsv
var stockTable string

// StockDeviations is what stock pion/turn v4.1.4 does instead, by the key of the
// case. A case that is not there it passes.
func StockDeviations() (map[string]string, error) {
	all := map[string]string{}
	for line := range strings.Lines(stockTable) {
		key, what, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || all[key] != "" {
			return nil, fmt.Errorf("wire: stock.tsv: %q: not a case and what stock pion does, once", line)
		}
		all[key] = what
	}
	return all, nil
}

// NotAsked stands for a case that stock pion has no setting for.
const NotAsked = "not asked"
