package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write schema.json anew")

const (
	exampleFile       = "../../config.example.yaml"
	policyExampleFile = "../../deploy/policy.d/10-example.yaml"
)

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExampleChangesNothing: the example with its one secret in place is what
// is in force without it.
func TestExampleChangesNothing(t *testing.T) {
	b := newBed(t)
	b.put("issuer-k1.key", key, 0o600)
	got := effective(t, b.mustLoad(example(t)))
	want := effective(t, b.mustLoad("version: 1\ncredentials: {issuer_keys: [{id: k1, secret_file: issuer-k1.key}]}\n"))
	if !bytes.Equal(got, want) {
		t.Errorf("the example is\n%s\nthe defaults are\n%s", got, want)
	}
}

var documented = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumentedFilesLoad: the first one of the page is a configuration, the
// second a policy file.
func TestDocumentedFilesLoad(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	found := documented.FindAllSubmatch(page, -1)
	if len(found) != 2 {
		t.Fatalf("%d files in docs/configuration.md", len(found))
	}
	b := newBed(t)
	b.put("synapse.secret", key, 0o600)
	b.putPolicy("documented.yaml", string(found[1][1]))
	if peers := b.mustLoad(string(found[0][1])).Policy.PeerLines(); len(peers.Deny) != 3 || len(peers.Allow) != 1 {
		t.Errorf("the lines are %v", peers)
	}
}

// TestDocumentedRolesLoad: the example of docs/roles.md is one that serves.
func TestDocumentedRolesLoad(t *testing.T) {
	page, err := os.ReadFile("../../docs/roles.md")
	if err != nil {
		t.Fatal(err)
	}
	found := documented.FindAllSubmatch(page, -1)
	if len(found) != 1 {
		t.Fatalf("%d files in docs/roles.md", len(found))
	}
	b := newBed(t)
	b.put("issuer-k1.key", key, 0o600)
	text := strings.Replace(string(found[0][1]), "sha256:...", "sha256:"+hash, 1)
	text = strings.Replace(text, "sha256:...", "sha256:"+strings.Repeat("5a", 32), 1)
	c := b.mustLoad(text)
	if guest := c.Roles[2]; len(c.Roles) != 3 || len(guest.Peers) != 1 || !guest.RelayOnly || len(guest.Transports) != 2 {
		t.Errorf("the roles are %+v", c.Roles)
	}
}

// TestPolicyExample loads, fits its schema, and has every key with its unit.
func TestPolicyExample(t *testing.T) {
	text, err := os.ReadFile(policyExampleFile)
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	b.putPolicy("10-example.yaml", string(text))
	b.mustLoad(least)
	schema := compile(t, PolicySchema)
	if err := schema.Validate(asJSON(t, string(text))); err != nil {
		t.Error(err)
	}
	for _, f := range policyTop.fields {
		compareKey(t, string(text), f)
		for _, g := range f.fields {
			compareKey(t, string(text), g)
		}
	}
	for _, f := range lineShape.fields {
		compareKey(t, string(text), f)
		if !regexp.MustCompile(f.name + `: .* # ` + regexp.QuoteMeta(strings.SplitN(f.unit, ",", 2)[0])).Match(text) {
			t.Errorf("the comment of %s does not begin with its unit %q", f.name, f.unit)
		}
	}
	for _, file := range []string{"peers: {deny: [self]}", "version: 1\nx: 1", "version: 1\npeers: [self]", "version: 1\npeers: {deny: [nobody]}",
		"version: 1\npeers: {deny: [{match: self, ports: [0]}]}", "version: 1\npeers: {deny: [{match: self, port: [1]}]}"} {
		if schema.Validate(asJSON(t, file)) == nil {
			t.Errorf("the schema lets pass\n%s", file)
		}
	}
}

func compareKey(t *testing.T, text string, f *shape) {
	if !regexp.MustCompile(`(?m)^[ -]*` + f.name + `:`).MatchString(text) {
		t.Errorf("%s is not in the example", f.name)
	}
}

var (
	commentedKey  = regexp.MustCompile(`(?m)^( *)# ([a-z_]+: .* # .*(?:live|restart))$`)
	commentedList = regexp.MustCompile(`(?m)^( *)#(  .* # .*(?:live|restart))$`)
	emptyAbove    = regexp.MustCompile(`: \[\]( +# [^\n]*\n +- )`)
)

// wholeExample is the example with the keys that are commented out in it.
func wholeExample(t *testing.T) string {
	text := commentedKey.ReplaceAllString(example(t), "$1$2")
	text = commentedList.ReplaceAllString(text, "$1 $2")
	text = emptyAbove.ReplaceAllString(text, ":  $1")
	return strings.Replace(text, "sha256:...", "sha256:"+hash, 1)
}

// TestExampleHasEveryKey with its default, its unit, and when it applies.
func TestExampleHasEveryKey(t *testing.T) {
	text := wholeExample(t)
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	compareExample(t, doc.Content[0], top, "", strings.Split(text, "\n"))
}

func compareExample(t *testing.T, n *yaml.Node, s *shape, path string, lines []string) {
	var got, want []string
	for i := 0; i < len(n.Content); i += 2 {
		got = append(got, n.Content[i].Value)
	}
	for _, f := range s.fields {
		want = append(want, f.name)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: the keys are %v, want %v", path, got, want)
		return
	}
	for i, f := range s.fields {
		key, value, at := n.Content[2*i], n.Content[2*i+1], under(path, f.name)
		if f.kind == section {
			compareExample(t, value, f, at, lines)
			continue
		}
		_, comment, _ := strings.Cut(lines[key.Line-1], " # ")
		if f.apply != "live" && f.apply != "restart" || comment != f.apply && !strings.HasSuffix(comment, "; "+f.apply) {
			t.Errorf("%s: the comment is %q, and ends with when it applies: %q", at, comment, f.apply)
		}
		if !strings.HasPrefix(comment, f.unit) {
			t.Errorf("%s: the comment is %q, and begins with the unit: %q", at, comment, f.unit)
		}
		if f.kind == entryList {
			compareExample(t, value.Content[0], f, entry(at, 0), lines)
		}
		compareDefault(t, value, s, f, at)
	}
}

// compareDefault checks the value of a key. What has no default, and the
// entries of lists that are empty by default, are examples.
func compareDefault(t *testing.T, value *yaml.Node, s, f *shape, path string) {
	if f.required || f.kind == entryList && f.def == "[]" || s.kind == entryList && s.def == "[]" && f.name == "secret_file" {
		return
	}
	l := newLoader(Options{})
	got, _ := l.readValue(value, f, path)
	if len(l.faults) > 0 || !reflect.DeepEqual(got, f.defaultValue()) {
		t.Errorf("%s is %v (%v), want the default %v", path, got, l.faults, f.defaultValue())
	}
}

var schemaLine = regexp.MustCompile(`^# yaml-language-server: \$schema=(\S+)\n`)

func TestExampleNamesItsSchema(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	compareSchema(t, exampleFile, schema)
	if schema, err = PolicySchema(); err != nil {
		t.Fatal(err)
	}
	compareSchema(t, policyExampleFile, schema)
}

// compareSchema compares a schema with the one that an example names.
func compareSchema(t *testing.T, example string, schema []byte) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	found := schemaLine.FindSubmatch(text)
	if found == nil {
		t.Fatalf("the first line of %s names no schema", example)
	}
	path := filepath.Join(filepath.Dir(example), string(found[1]))
	if *update {
		if err := os.WriteFile(path, schema, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if stored, err := os.ReadFile(path); err != nil || !bytes.Equal(stored, schema) {
		t.Errorf("%s is not what is generated (%v): go test ./pkg/config -run %s -update", path, err, t.Name())
	}
}

func TestSchema(t *testing.T) {
	schema := compile(t, Schema)
	for name, file := range map[string]string{"example": example(t), "whole example": wholeExample(t), "every kind": everyKind, "least": "version: 1\n" + shared} {
		if err := schema.Validate(asJSON(t, file)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{
		"realm: x", "version: 2", "version: 1\nx: 1", "version: 1\nlog: {x: 1}", "version: 1\nroles: [{id: a, x: 1}]", "version: 1\nroles: [{}]",
		"version: 1\nrealm: 5", "version: 1\nlog: {level: loud}", "version: 1\nlisten: [{transports: [dtls]}]", "version: 1\ndrain: {timeout: 60}",
		"version: 1\ndrain: {timeout: 1d}", "version: 1\nrelay: {min_port: 1}", "version: 1\nrelay: {max_port: 65536}", "version: 1\npolicy: {deny: [{ports: [80]}]}", "version: 1\npolicy: {deny: [{match: rfc1918, x: 1}]}",
		"version: 1\npolicy: []", "version: 1\nissuer: {api_keys: [{id: a, hash: tk_a}]}", "version: 1\nlisten: [{address: 192.0.2.1}]",
	} {
		if schema.Validate(asJSON(t, file)) == nil {
			t.Errorf("the schema lets pass\n%s", file)
		}
	}
}

func compile(t *testing.T, of func() ([]byte, error)) *jsonschema.Schema {
	t.Helper()
	text, err := of()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // so that the schema has to say that it is of 2020-12
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestSchemaDescribesEveryKey: the text is the field's comment.
func TestSchemaDescribesEveryKey(t *testing.T) {
	comments, err := fieldComments()
	if err != nil {
		t.Fatal(err)
	}
	var check func(s *shape, schema []byte)
	check = func(s *shape, schema []byte) {
		for _, f := range s.fields {
			comment, _ := json.Marshal(comments[s.typ.Name()+"."+s.typ.Field(f.field).Name])
			if len(comment) <= 2 || !bytes.Contains(schema, append([]byte(`"description": `), comment...)) {
				t.Errorf("%s.%s has no description", s.typ.Name(), f.name)
			}
			check(f, schema)
		}
	}
	for s, schema := range map[*shape]func() ([]byte, error){top: Schema, policyTop: PolicySchema} {
		text, err := schema()
		if err != nil {
			t.Fatal(err)
		}
		check(s, text)
		check(lineShape, text)
	}
}

// asJSON is a YAML file as a validator of JSON Schema wants it.
func asJSON(t *testing.T, file string) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(file), &doc); err != nil {
		t.Fatalf("%v\nin\n%s", err, file)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(fmt.Errorf("%w in\n%s", err, file))
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
