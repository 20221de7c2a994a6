package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

func goList[T any](t *testing.T, args ...string) []T {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.Bytes())
	}
	var all []T
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var x T
		if err := dec.Decode(&x); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
}

// checkImport says what is wrong with an import, or nothing.
func checkImport(from, to string, inTest bool) string {
	_, housed := floors[from]
	inTest = inTest || testRooms[from] && !housed
	if strings.HasPrefix(to, "turnpike/") {
		switch {
		case testRooms[to] && !inTest:
			return "is for tests only"
		case !inTest && floors[to] >= floors[from]:
			return fmt.Sprintf("is on floor %d, not below floor %d", floors[to], floors[from])
		}
		return ""
	}
	if first, _, _ := strings.Cut(to, "/"); !strings.Contains(first, ".") {
		if why, denied := noIO[to]; denied && !inTest && pure[from] {
			return why
		}
		return "" // standard library
	}
	under := func(module string) bool { return to == module || strings.HasPrefix(to, module+"/") }
	if inTest {
		for module := range allowedInTests {
			if under(module) {
				return ""
			}
		}
	}
	for _, a := range allowed {
		if under(a.module) && slices.Contains(a.packages, from) {
			return ""
		}
	}
	return "is not on the list of modules for this package (rules_test.go)"
}

func TestImports(t *testing.T) {
	goFiles(t, func(path string, src []byte) { // of every system, not only of this
		dir := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(filepath.ToSlash(path), "../../")))
		if strings.HasPrefix(dir, "relay/relaytest/stockpion") {
			return // a module of its own
		}
		from := "turnpike/" + dir
		if _, ok := floors[from]; !ok && !testRooms[from] {
			t.Errorf("%s has no floor: give it one in rules_test.go", from)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, spec := range f.Imports {
			to, _ := strconv.Unquote(spec.Path.Value)
			if wrong := checkImport(from, to, strings.HasSuffix(path, "_test.go")); wrong != "" {
				t.Errorf("%s imports %s, which %s", path, to, wrong)
			}
		}
	})
}

// The check itself must be able to fail.
func TestCheckImportRefuses(t *testing.T) {
	for _, c := range []struct {
		from, to string
		inTest   bool
		wrong    bool
	}{
		{"turnpike/relay", "turnpike/relay/gate", false, false},
		{"turnpike/relay/gate", "turnpike/relay", false, true},
		{"turnpike/relay/gate", "turnpike/relay/engine", false, true},
		{"turnpike/auth", "turnpike/ratelimit", false, true},
		{"turnpike/relay/gate", "turnpike/relay", true, false},
		{"turnpike/relay", "turnpike/relay/relaytest", false, true},
		{"turnpike/relay", "turnpike/relay/dataplane/mem", false, true},
		{"turnpike/relay", "github.com/pion/turn/v4", false, true},
		{"turnpike/relay/engine", "github.com/pion/turn/v4", false, false},
		{"turnpike/relay", "github.com/pion/turn/v4", true, false},
		{"turnpike/auth", "github.com/stretchr/testify/assert", true, true},
		{"turnpike/auth", "crypto/hmac", false, false},
		{"turnpike/auth", "net/http", false, true},
		{"turnpike/auth", "os", true, false},
		{"turnpike/relay/engine", "net", false, false},
		{"turnpike/relay/dataplane/mem", "turnpike/pkg/issuer", false, true},
		{"turnpike/relay/dataplane/mem", "turnpike/relay/dataplane", false, false},
		{"turnpike/relay/relaytest", "github.com/pion/stun/v3", false, false},
	} {
		if got := checkImport(c.from, c.to, c.inTest) != ""; got != c.wrong {
			t.Errorf("%s -> %s (test: %v): refused %v, want %v", c.from, c.to, c.inTest, got, c.wrong)
		}
	}
}

func TestModuleVersions(t *testing.T) {
	versions := map[string]string{}
	for _, m := range goList[struct{ Path, Version string }](t, "-m", "-json", "all") {
		versions[m.Path] = m.Version
	}
	if versions["github.com/pion/stun/v3"] == "" {
		t.Error("pion/stun is not in the module graph: is this test looking at the right one?")
	}
	for _, fault := range tooOld(versions) {
		t.Error(fault)
	}
	if len(tooOld(map[string]string{"github.com/pion/stun/v3": "v3.0.1", "github.com/pion/dtls/v3": "v3.1.5"})) != 1 {
		t.Error("an old version is not noticed")
	}
}

func tooOld(versions map[string]string) []string {
	var faults []string
	for _, o := range oldest {
		if v, linked := versions[o.module]; linked && semver.Compare(v, o.version) < 0 {
			faults = append(faults, fmt.Sprintf("%s is %s; need %s or later: %s", o.module, v, o.version, o.why))
		}
	}
	return faults
}

// goFiles calls f for every Go file of the tree, nested modules too.
func goFiles(t *testing.T, f func(path string, src []byte)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		f(path, src)
		return nil
	})
	if err != nil || n < 20 {
		t.Fatalf("%d files: %v", n, err)
	}
}

func TestFormatted(t *testing.T) {
	goFiles(t, func(path string, src []byte) {
		if want, err := format.Source(src); err != nil || !bytes.Equal(src, want) {
			t.Errorf("%s is not gofmt-ed (%v)", path, err)
		}
	})
}

func TestPackagesAreExplained(t *testing.T) {
	docs := map[string][]string{} // directory to files with a package comment
	goFiles(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		dir := filepath.Dir(path)
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		files := docs[dir]
		if f.Doc != nil && len(f.Doc.Text()) > 40 {
			files = append(files, path)
		}
		docs[dir] = files
	})
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("%s: the package comment is in %d files %v; put it in one", dir, len(files), files)
		}
	}
}

func TestSizes(t *testing.T) {
	goFiles(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		if n := bytes.Count(src, []byte("\n")); n > maxFileLines {
			t.Errorf("%s has %d lines, over %d: is there a second idea in it?", path, n, maxFileLines)
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, src, 0)
		if err != nil {
			t.Error(err)
			return
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, over %d: it does not fit a screen", path, fn.Name.Name, n, maxFunctionLines)
			}
		}
	})
}

// A page that names a test as a proof names one that exists.
func TestPagesNameRealTests(t *testing.T) {
	tests := map[string]bool{}
	goFiles(t, func(path string, src []byte) {
		for _, m := range testFunc.FindAllSubmatch(src, -1) {
			tests[string(m[1])] = true
		}
	})
	pages, _ := filepath.Glob("../../docs/*.md")
	named := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range testName.FindAllString(string(text), -1) {
			if named++; !tests[name] {
				t.Errorf("%s names %s, which is not there", page, name)
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d tests are named", named)
	}
}

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
)
