package issuer

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/api.md has every code with its status and every route with its methods,
// and no other; its answer is one that the OpenAPI document allows.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9]{3}) \\|").FindAllStringSubmatch(page, -1)
	if len(rows) != NumCodes {
		t.Errorf("%d codes, want %d", len(rows), NumCodes)
	}
	for i, row := range rows {
		if want := codes[i]; row[1] != want.name || row[2] != fmt.Sprint(want.status) {
			t.Errorf("%s %s, want %s %d", row[1], row[2], want.name, want.status)
		}
	}
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	for r := Elsewhere + 1; int(r) < NumRoutes; r++ {
		methods := "`" + strings.Join(strings.Fields(strings.ReplaceAll(strings.Join(routes[r].methods, " "), "HEAD", "")), "`, `")
		if row := "| " + methods + " " + c.template(r) + "` |"; !strings.Contains(page, row) {
			t.Errorf("no row %q", row)
		}
	}
	var answer any
	example := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(page)
	if example == nil {
		t.Fatal("no answer")
	}
	if err := json.Unmarshal([]byte(example[1]), &answer); err != nil {
		t.Fatal(err)
	}
	if err := c.validate(answer, []string{"components", "schemas", "Answer"}); err != nil {
		t.Error(err)
	}
}
