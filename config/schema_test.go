package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheSchemaIsThatOfTheStructs(t *testing.T) {
	want, err := json.MarshalIndent(generateSchema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want, Schema()) {
		t.Error("schema.json is not that of the structs: go test ./config -run Schema -update")
	}
}

// compiled is the committed schema.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("weir.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("weir.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance reads YAML as the editor's validator does.
func instance(t *testing.T, src []byte) (any, error) {
	t.Helper()
	j, err := yaml.YAMLToJSON(bytes.TrimPrefix(src, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(j))
}

func TestTheSchemaAcceptsEveryGoodFile(t *testing.T) {
	s := compiled(t)
	for _, file := range goodFiles(t) {
		x, err := instance(t, read(t, file))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := s.Validate(x); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Editors also see faults of structure. Faults of meaning (references,
// conflicts) and of YAML itself are not the schema's; those files say so in
// their first line.
func TestTheSchemaRefusesEveryFileOfBadStructure(t *testing.T) {
	s := compiled(t)
	refused := 0
	for _, file := range badFiles(t) {
		src := read(t, file)
		beyond := bytes.HasPrefix(src, []byte("# beyond the schema"))
		x, err := instance(t, src)
		if err == nil {
			err = s.Validate(x)
		}
		if beyond && err != nil {
			t.Errorf("%s says it is beyond the schema, which refuses it: %v", file, err)
		}
		if !beyond && err == nil {
			t.Errorf("the schema accepts %s", file)
		}
		if err != nil {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("the schema was tried on only %d files it must refuse", refused)
	}
}

func goodFiles(t *testing.T) []string {
	return append(glob(t, "testdata/good/*.yaml"), append(glob(t, "../examples/*.yaml"), "default.yaml")...)
}

func badFiles(t *testing.T) []string { return glob(t, "testdata/bad/*.yaml") }

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s (%v)", pattern, err)
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// node is one schema; its fields are in the order people read.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"`
	Enum        []string         `json:"enum,omitempty"`
	Pattern     string           `json:"pattern,omitempty"`
	Minimum     *int             `json:"minimum,omitempty"`
	Maximum     *int             `json:"maximum,omitempty"`
	Default     any              `json:"default,omitempty"`
	Examples    []any            `json:"examples,omitempty"`
	Items       *node            `json:"items,omitempty"`
	MinItems    int              `json:"minItems,omitempty"`
	Properties  *ordered         `json:"properties,omitempty"`
	Required    []string         `json:"required,omitempty"`
	OneOf       []map[string]any `json:"oneOf,omitempty"`
	Additional  any              `json:"additionalProperties,omitempty"`
}

// ordered keeps the order of the structs.
type ordered struct {
	keys  []string
	nodes []*node
}

func (o *ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		v, err := json.Marshal(o.nodes[i])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", key, v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func generateSchema(t *testing.T) *node {
	g := generator{comments: comments(t)}
	root := g.block(reflect.TypeFor[Config]())
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "weir.yaml"
	return root
}

type generator struct {
	comments map[string]string // "Type" or "Type.Field" -> its doc comment
}

func (g generator) block(t reflect.Type) *node {
	s := shapeOf(t)
	n := &node{Type: "object", Description: g.comments[t.Name()], Properties: &ordered{}, Additional: false}
	for _, f := range s.fields {
		p := g.field(f, f.typ)
		if doc := g.comments[t.Name()+"."+t.Field(f.index).Name]; doc != "" {
			p.Description = doc
		}
		n.Properties.keys = append(n.Properties.keys, f.key)
		n.Properties.nodes = append(n.Properties.nodes, p)
		if f.need {
			n.Required = append(n.Required, f.key)
		}
	}
	for _, key := range s.oneof {
		n.OneOf = append(n.OneOf, map[string]any{"required": []string{key}})
	}
	return n
}

func (g generator) field(f field, t reflect.Type) *node {
	switch {
	case t.Kind() == reflect.Pointer:
		return g.field(f, t.Elem())
	case isBlock(t):
		return g.block(t)
	case t.Kind() == reflect.Slice:
		n := &node{Type: "array", Items: g.field(f, t.Elem())}
		if f.need {
			n.MinItems = 1
		}
		return n
	case t.Kind() == reflect.Map:
		return &node{Type: "object", Additional: g.field(f, t.Elem())}
	}
	return g.scalar(f, t)
}

func (g generator) scalar(f field, t reflect.Type) *node {
	n := &node{Type: "string", Enum: f.enum}
	if f.hasDef {
		n.Default = f.def
	}
	if f.example != "" {
		n.Examples = []any{f.example}
	}
	if l, ok := leaves[t]; ok {
		n.Pattern = l.pattern
		return n
	}
	switch t.Kind() {
	case reflect.String:
		n.Pattern = formats[f.format].pattern
		if formats[f.format].whole != nil {
			n.Type, n.Maximum = []string{"string", "integer"}, number("65535")
		}
	case reflect.Bool:
		n.Type, n.Default = "boolean", f.def == "true"
	case reflect.Int:
		n.Type, n.Minimum, n.Maximum = "integer", number(f.min), number(f.max)
		if f.isMany() {
			n.Type, n.Pattern = []string{"integer", "string"}, countPattern
		}
		if f.hasDef {
			n.Default = *number(f.def)
		}
		if f.example != "" {
			n.Examples = []any{*number(f.example)}
		}
	}
	return n
}

func number(text string) *int {
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return &n
}

// comments reads the doc comments of the package's structs and fields.
func comments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files := token.NewFileSet()
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				commentsOf(g, out)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func commentsOf(g *ast.GenDecl, out map[string]string) {
	for _, spec := range g.Specs {
		ts := spec.(*ast.TypeSpec)
		st, ok := ts.Type.(*ast.StructType)
		if !ok {
			continue
		}
		out[ts.Name.Name] = oneLine(g.Doc.Text())
		for _, f := range st.Fields.List {
			for _, name := range f.Names {
				out[ts.Name.Name+"."+name.Name] = oneLine(f.Doc.Text())
			}
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
