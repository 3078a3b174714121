package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
)

// examples/weir.yaml shows every key and every default: as the value, with
// "default" in the line's comment, or as "default X" there.
func TestTheCommentedExampleShowsEveryKeyAndDefault(t *testing.T) {
	src := read(t, "../examples/weir.yaml")
	d := &decoder{file: "weir.yaml", at: positions{}}
	body, ok := d.parse(src)
	if !ok {
		t.Fatal(d.faults)
	}
	shown := map[string]bool{} // "Type.key"
	e := exampleWalk{t: t, d: d, shown: shown}
	e.block(body, reflect.TypeFor[Config]())
	for typ := range e.blocks() {
		for _, f := range shapeOf(typ).fields {
			name := typ.Name() + "." + f.key
			isShown, known := shown[name]
			switch {
			case beside[name]:
			case !known:
				t.Errorf("examples/weir.yaml does not show %s", name)
			case f.hasDef && !isShown:
				t.Errorf("examples/weir.yaml does not say that %s is %s by default", name, f.def)
			}
		}
	}
}

// beside are keys that exclude one shown, in a block that is there once; the example has
// them in a comment.
var beside = map[string]bool{"Redis.entra": true, "Redis.client_id": true}

type exampleWalk struct {
	t     *testing.T
	d     *decoder
	shown map[string]bool // key -> its default is said
}

func (e exampleWalk) block(n ast.Node, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, item := range seq.Values {
			e.block(item, typ)
		}
		return
	}
	entries, ok := entriesOf(n)
	if !ok || !isBlock(typ) {
		return
	}
	for _, entry := range entries {
		key, _ := keyOf(entry)
		f, ok := shapeOf(typ).field(key)
		if !ok {
			e.t.Fatalf("unknown key %s", key)
		}
		name := typ.Name() + "." + key
		e.shown[name] = e.shown[name] || e.says(entry, f)
		e.block(entry.Value, f.typ)
	}
}

// says is whether the line of an entry gives its default.
func (e exampleWalk) says(entry *ast.MappingValueNode, f field) bool {
	line := e.d.lines[e.d.position(entry.Key).line-1]
	_, comment, _ := strings.Cut(line, " # ")
	if !f.hasDef || !strings.HasPrefix(comment, "default") {
		return false
	}
	said := strings.TrimPrefix(comment, "default")
	if given, _, _ := strings.Cut(said, ";"); given != "" {
		value, _, _ := strings.Cut(strings.TrimSpace(given), ",")
		return value == f.def
	}
	return entry.Value.GetToken().Value == f.def
}

// blocks are all struct types of the configuration.
func (e exampleWalk) blocks() map[reflect.Type]bool {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if isBlock(typ) && !seen[typ] {
			seen[typ] = true
			for _, f := range shapeOf(typ).fields {
				walk(f.typ)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
	return seen
}
