package config

import (
	"embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"
)

//go:embed types*.go
var sources embed.FS

// Schema is the JSON Schema (2020-12) of the file, for editors. The
// descriptions are the comments in types*.go. It knows forms and ranges; what
// has to fit together is found by Load alone.
func Schema() ([]byte, error) { return schemaOf(top, "The configuration of turnpike") }

// PolicySchema is that of a policy file.
func PolicySchema() ([]byte, error) { return schemaOf(policyTop, "A policy file of turnpike") }

func schemaOf(s *shape, title string) ([]byte, error) {
	comments, err := fieldComments()
	if err != nil {
		return nil, fmt.Errorf("config: schema: %w", err)
	}
	r := jsonschema.Reflector{
		FieldNameTag: "yaml", Anonymous: true, DoNotReference: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true,
		Mapper:        textSchema,
		LookupComment: func(t reflect.Type, field string) string { return comments[t.Name()+"."+field] },
	}
	root := r.ReflectFromType(s.typ)
	root.Title = title
	if err := refine(root, s); err != nil {
		return nil, fmt.Errorf("config: schema: %w", err)
	}
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

// fieldComments are the comments of all fields, by type and field.
func fieldComments() (map[string]string, error) {
	comments := map[string]string{}
	files, err := sources.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		source, err := sources.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), source, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		addComments(comments, file)
	}
	return comments, nil
}

func addComments(comments map[string]string, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			comments[spec.Name.Name+"."+f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
		return false
	})
}

// patterns are the forms of what is a text in the file and a type of its own
// here. They are looser than parse: an editor marks what can't be right.
var patterns = map[reflect.Type]string{
	reflect.TypeFor[netip.AddrPort](): `^.+:[0-9]+$`,
	reflect.TypeFor[netip.Prefix]():   `^[0-9A-Fa-f.:]+/[0-9]+$`,
	reflect.TypeFor[netip.Addr]():     `^[0-9A-Fa-f.:]*$`,
	reflect.TypeFor[AutoAddr]():       `^(auto|[0-9A-Fa-f.:]+)$`,
	reflect.TypeFor[Endpoint]():       `^(unix:/.+|.+:[0-9]+)$`,
	reflect.TypeFor[KeyHash]():        `^sha256:[0-9A-Fa-f]{64}$`,
	reflect.TypeFor[Secret]():         ``,
	reflect.TypeFor[Match]():          `^([0-9A-Fa-f.:]+([/][0-9]+|-[0-9A-Fa-f.:]+)?|` + strings.Join(presets, "|") + `)$`,
}

// textSchema is the schema of a value that stands in the file as text.
func textSchema(t reflect.Type) *jsonschema.Schema {
	if isDuration(t) {
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`}
	}
	if t == reflect.TypeFor[Ports]() {
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "integer", Minimum: "1", Maximum: "65535"}, {Type: "string", Pattern: `^[0-9]+(-[0-9]+)?$`}}}
	}
	if pattern, found := patterns[t]; found {
		return &jsonschema.Schema{Type: "string", Pattern: pattern}
	}
	return nil
}

// refine adds to a section's schema what the tags say.
func refine(of *jsonschema.Schema, s *shape) error {
	of.Required = nil
	for _, f := range s.fields {
		p, found := of.Properties.Get(f.name)
		if !found {
			return fmt.Errorf("%s is missing", f.name)
		}
		value := p
		if f.kind == scalarList || f.kind == entryList {
			value = p.Items
		}
		if f.fields != nil {
			if err := refine(value, f); err != nil {
				return err
			}
		}
		if f.required {
			of.Required = append(of.Required, f.name)
		} else if f.kind != section {
			if err := yaml.Unmarshal([]byte(f.defaultText()), &p.Default); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
		f.limit(value)
		if f.typ == lineType {
			if err := refine(value, lineShape); err != nil {
				return err
			}
			short := textSchema(reflect.TypeFor[Match]())
			p.Items = &jsonschema.Schema{OneOf: []*jsonschema.Schema{short, value}}
		}
	}
	return nil
}

// limit adds bounds and choices to the schema of a value.
func (s *shape) limit(value *jsonschema.Schema) {
	for _, choice := range s.enum {
		value.Enum = append(value.Enum, choice)
	}
	if isInteger(s.typ) {
		value.Minimum, value.Maximum = json.Number(fmt.Sprint(s.min)), json.Number(fmt.Sprint(s.max))
	}
}
