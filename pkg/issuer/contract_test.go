package issuer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// contract is openapi.yaml as a client's tools read it. Its schemas are JSON
// Schema 2020-12, as OpenAPI 3.1 has it.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by JSON pointer
	mu       sync.Mutex
}

var theContract = sync.OnceValues(func() (*contract, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(openAPI, &tree); err != nil {
		return nil, err
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := &contract{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	return c, c.compiler.AddResource("openapi.json", doc)
})

// at is what a JSON pointer leads to, through references, and where that is.
func (c *contract) at(pointer ...string) (any, []string) {
	var here any = c.doc
	for i, key := range pointer {
		if here = object(here)[key]; here == nil {
			return nil, nil
		}
		if ref, ok := object(here)["$ref"].(string); ok {
			to := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
			return c.at(append(to, pointer[i+1:]...)...)
		}
	}
	return here, pointer
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")

// validate holds a value against the schema at a pointer.
func (c *contract) validate(value any, pointer []string) error {
	var b strings.Builder
	for _, key := range pointer {
		b.WriteString("/" + pointerEscape.Replace(key))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	schema := c.schemas[b.String()]
	if schema == nil {
		var err error
		if schema, err = c.compiler.Compile("openapi.json#" + b.String()); err != nil {
			return err
		}
		c.schemas[b.String()] = schema
	}
	return schema.Validate(value)
}

func object(node any) map[string]any { m, _ := node.(map[string]any); return m }

// template is the path of a route in the document.
func (c *contract) template(r Route) string {
	for path := range object(c.doc["paths"]) {
		segments := strings.Split(path[1:], "/")
		if slices.EqualFunc(segments, routes[r].segments, func(is, want string) bool {
			return is == want || want == variable && strings.HasPrefix(is, "{")
		}) {
			return path
		}
	}
	return ""
}

// check holds an answer, and the request that got it, against the document.
func (c *contract) check(r *http.Request, sent []byte, w *httptest.ResponseRecorder) error {
	if w.Header().Get("X-Request-Id") == "" {
		return fmt.Errorf("no X-Request-Id")
	}
	route, _ := find(r.URL)
	if route == Elsewhere {
		return c.checkBody([]string{"components", "responses", "Problem"}, w)
	}
	path := []string{"paths", c.template(route)}
	if r.Method == http.MethodOptions && w.Code == http.StatusNoContent {
		return nil
	}
	method := strings.ToLower(r.Method)
	if method == "head" && slices.Contains(routes[route].methods, "HEAD") {
		method = "get"
	}
	operations, _ := c.at(path...)
	if object(operations)[method] == nil { // 405 is told of those that are there
		for name := range object(operations) {
			method = name
		}
	}
	operation := append(path, method)
	if err := c.checkBody(append(operation, "responses", strconv.Itoa(w.Code)), w); err != nil {
		return err
	}
	if w.Code >= 300 || len(sent) == 0 || r.Method != http.MethodPost {
		return nil
	}
	return c.checkSent(append(operation, "requestBody", "content", mediaType(r.Header), "schema"), sent)
}

// checkSent says that what is accepted is documented.
func (c *contract) checkSent(schema []string, sent []byte) error {
	if _, found := c.at(schema...); found == nil {
		return fmt.Errorf("accepted a body of an undocumented kind: %v", schema)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(sent))
	if err != nil {
		return nil // a form
	}
	return c.validate(value, schema)
}

func (c *contract) checkBody(response []string, w *httptest.ResponseRecorder) error {
	node, at := c.at(response...)
	if node == nil {
		return fmt.Errorf("the answer %d is not documented", w.Code)
	}
	for name := range object(object(node)["headers"]) {
		value := w.Header().Get(name)
		header, _ := c.at(append(at, "headers", name)...)
		if object(header)["required"] == true && value == "" {
			return fmt.Errorf("the header %s is missing", name)
		}
		if _, found := c.at(append(at, "headers", name, "schema")...); found != nil && value != "" {
			if err := c.validate(value, found); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	content := object(object(node)["content"])
	if w.Body.Len() == 0 { // none, or HEAD
		return nil
	}
	kind, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil || content[kind] == nil {
		return fmt.Errorf("the content type %q is not documented", w.Header().Get("Content-Type"))
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		value = w.Body.String()
	}
	_, schema := c.at(append(at, "content", kind, "schema")...)
	return c.validate(value, schema)
}

// Every path and method is documented, and every one that is documented is there;
// so are the codes.
func TestOpenAPIIsWhole(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for path, operations := range object(c.doc["paths"]) {
		for method := range object(operations) {
			documented[strings.ToUpper(method)+" "+path] = true
		}
	}
	for r := Elsewhere + 1; int(r) < NumRoutes; r++ {
		for _, method := range routes[r].methods {
			what := method + " " + c.template(r)
			if method != "HEAD" && !documented[what] { // HEAD is GET without its body
				t.Errorf("%s of %v is not documented", what, r)
			}
			delete(documented, what)
		}
	}
	if len(documented) > 0 {
		t.Errorf("documented, and not there: %v", documented)
	}
	list, _ := c.at("components", "schemas", "Code", "enum")
	var names []any
	for code := range Code(NumCodes) {
		names = append(names, code.String())
	}
	if fmt.Sprint(list) != fmt.Sprint(names) {
		t.Errorf("the codes are %v, want %v", list, names)
	}
}

// The document is one of OpenAPI 3.1, by the schema of its authors
// (https://spec.openapis.org/oas/3.1/schema/2022-10-07).
func TestOpenAPIIsOpenAPI(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(c.doc); err != nil {
		t.Error(err)
	}
	without := maps.Clone(c.doc)
	delete(without, "info")
	if schema.Validate(without) == nil {
		t.Error("without info it is one too")
	}
}

// The check itself must be able to fail.
func TestContractCanFail(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/credentials", nil)
	good := newBed(t).post(`{"user":"alice"}`)
	for name, change := range map[string]func(*httptest.ResponseRecorder){
		"no id":            func(w *httptest.ResponseRecorder) { w.Header().Del("X-Request-Id") },
		"another status":   func(w *httptest.ResponseRecorder) { w.Code = 201 },
		"another type":     func(w *httptest.ResponseRecorder) { w.Header().Set("Content-Type", "text/plain") },
		"a field more":     func(w *httptest.ResponseRecorder) { w.Body = bytes.NewBufferString(`{"x":1,` + w.Body.String()[1:]) },
		"a field less":     func(w *httptest.ResponseRecorder) { w.Body = bytes.NewBufferString(`{"id":"x"}`) },
		"an undocumented ": func(w *httptest.ResponseRecorder) { w.Code = 405 },
	} {
		w := httptest.NewRecorder()
		maps.Copy(w.Header(), good.Header())
		w.Body.Write(good.Body.Bytes())
		if err := c.check(r, nil, w); err != nil {
			t.Fatalf("as it was: %v", err)
		}
		if change(w); c.check(r, nil, w) == nil {
			t.Errorf("%s is let pass", name)
		}
	}
	r.Header.Set("Content-Type", "application/json")
	if c.check(r, []byte(`{"x":1}`), good) == nil {
		t.Error("an undocumented request is let pass")
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	b := newBed(t)
	w := b.do(httptest.NewRequest(http.MethodGet, "/openapi.yaml", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/yaml" || !bytes.Equal(w.Body.Bytes(), openAPI) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
