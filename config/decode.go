package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder walks the syntax tree beside the structs, and collects the faults. It
// never stops at the first one.
type decoder struct {
	file    string
	lines   []string // of the source, to keep positions inside it
	at      positions
	whole   bool // there is a document to cross-check
	faults  Faults
	faulty  map[string]bool // paths whose value is invalid
	secrets []secretAt
	hidden  map[int]int       // line -> column from which it may hold a secret
	files   []source          // of a configuration, in order; their lines are numbered through
	several bool              // there is more than one
	part    bool              // of a file: required keys may be missing
	other   bool              // not a weir.yaml: remedies do not mention one
	over    map[string]string // overridden path -> name of its override
}

// document decodes src into c, which gets every default first.
func (d *decoder) document(all []Source, c *Config) {
	setDefaults(reflect.ValueOf(c).Elem())
	body, ok := d.merged(all)
	if !ok {
		return
	}
	_, d.whole = entriesOf(body)
	d.block(body, "", reflect.ValueOf(c).Elem())
}

// fault notes a fault at a node.
func (d *decoder) fault(n ast.Node, path, problem, remedy string) {
	d.faultAt(d.position(n), path, problem, remedy)
}

func (d *decoder) faultAt(p position, path, problem, remedy string) {
	d.faults = append(d.faults, d.newFault(p, path, problem, remedy))
	if d.faulty == nil {
		d.faulty = map[string]bool{}
	}
	d.faulty[path] = true
}

// value decodes n into v by v's type.
func (d *decoder) value(n ast.Node, path string, f field, v reflect.Value) {
	d.at[path] = d.position(n)
	switch t := v.Type(); {
	case isNull(n):
		d.fault(n, path, "has no value", "give it one, or remove the entry")
	case isIndirect(n):
		d.fault(n, path, "anchors, aliases and tags are not supported", "write the value out")
	case t.Kind() == reflect.Pointer:
		p := reflect.New(t.Elem())
		switch {
		case !v.IsNil():
			p.Elem().Set(v.Elem()) // Set changes one key of a block
		case isBlock(t.Elem()):
			setDefaults(p.Elem())
		}
		d.value(n, path, f, p.Elem())
		v.Set(p)
	case isBlock(t):
		d.block(n, path, v)
	case t.Kind() == reflect.Slice:
		d.list(n, path, f, v)
	case t.Kind() == reflect.Map:
		d.texts(n, path, f, v)
	default:
		d.scalar(n, path, f, v)
	}
}

// block decodes a mapping into the struct v.
func (d *decoder) block(n ast.Node, path string, v reflect.Value) {
	entries, ok := entriesOf(n)
	if !ok {
		d.fault(n, path, "must be a mapping of keys to values, not "+describe(n), unspaced(n, shapeOf(v.Type()).keys()))
		return
	}
	s := shapeOf(v.Type())
	given := map[string]int{} // key -> its line
	for _, e := range entries {
		key, ok := keyOf(e)
		if !ok {
			d.fault(e, path, "a key must be a plain word", "merge keys, anchors and lists as keys are not supported")
			continue
		}
		here := join(path, key)
		f, known := s.field(key)
		switch {
		case !known:
			d.hideValueOf(e)
			d.unknownKey(e.Key, here, v.Type(), key)
		case given[key] > 0:
			d.fault(e.Key, here, "is given twice", "the first is on "+d.where(given[key])+": keep one")
		default:
			given[key] = d.position(e.Key).line
			d.entry(e, here, f, v.Field(f.index))
		}
	}
	if !d.part {
		d.complete(n, path, s, given)
	}
}

// entry decodes the value of one key. A missing value has its key's position.
func (d *decoder) entry(e *ast.MappingValueNode, path string, f field, v reflect.Value) {
	if isNull(e.Value) {
		d.at[path] = d.position(e.Key)
		d.fault(e.Key, path, "has no value", "give it one, or remove the key")
		return
	}
	d.value(e.Value, path, f, v)
}

// complete faults required keys that are missing.
func (d *decoder) complete(n ast.Node, path string, s *shape, given map[string]int) {
	for _, f := range s.fields {
		if f.need && given[f.key] == 0 {
			d.fault(n, join(path, f.key), "is missing", example(f))
		}
	}
	if s.oneof == nil {
		return
	}
	var have []string
	for _, key := range s.oneof {
		if given[key] > 0 {
			have = append(have, key)
		}
	}
	choices := "exactly one of: " + strings.Join(s.oneof, ", ")
	switch {
	case len(have) == 0:
		d.fault(n, path, "none of "+strings.Join(s.oneof, ", ")+" is given", "give "+choices)
	case len(have) > 1:
		second := join(path, have[1])
		d.faultAt(d.at.of(second), path, strings.Join(have, " and ")+" exclude each other", "give "+choices)
	}
}

// unknownKey suggests the key that was probably meant, or the block it belongs
// to.
func (d *decoder) unknownKey(n ast.Node, path string, t reflect.Type, key string) {
	keys := shapeOf(t).keys()
	if problem := unseen(key); problem != "" {
		d.fault(n, path, problem, "use plain spaces and letters instead")
		return
	}
	if near := meant(key, keys); near != "" {
		d.fault(n, path, "unknown key", fmt.Sprintf("did you mean %q?", near))
		return
	}
	remedy := "valid keys: " + strings.Join(keys, ", ")
	if homes := homesOf(key); len(homes) > 0 && !d.other {
		remedy = fmt.Sprintf("%s is a key of %s; %s", key, strings.Join(homes, " or "), remedy)
	} else if !d.other && contains(shapeOf(reflect.TypeFor[Config]()).keys(), key) {
		remedy = fmt.Sprintf("%s belongs at the top level of the file: start it in column 1; %s", key, remedy)
	}
	d.fault(n, path, "unknown key", remedy)
}

// unspaced is the remedy for a text in place of keys: for "key:value" or "key
// value", the missing blank or colon.
func unspaced(n ast.Node, keys []string) string {
	text, _ := textOf(n)
	for _, key := range keys {
		rest, ok := strings.CutPrefix(text, key)
		if ok && rest != "" && (rest[0] == ':' || rest[0] == ' ') {
			return fmt.Sprintf("write a colon and a space between key and value: %s: %s", key, strings.TrimLeft(rest, ": "))
		}
	}
	return "write one of: " + strings.Join(keys, ", ")
}

// list decodes a sequence.
func (d *decoder) list(n ast.Node, path string, f field, v reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		remedy := "write each entry on its own line after - , or all in [ ]"
		if entries, ok := entriesOf(n); ok && len(entries) > 0 {
			if key, _ := keyOf(entries[0]); strings.HasPrefix(key, "-") {
				remedy = "put a space after the dash: - " + key[1:] + ": ..."
			}
		}
		d.fault(n, path, "must be a list, not "+describe(n), remedy)
		return
	}
	if f.need && len(seq.Values) == 0 {
		d.fault(n, path, "is empty", "give at least one entry")
	}
	// Made at its full length: secrets keep pointers into it.
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		here := fmt.Sprintf("%s[%d]", path, i)
		if isBlock(v.Type().Elem()) {
			setDefaults(v.Index(i))
		}
		d.value(item, here, f, v.Index(i))
	}
}

// texts decodes a mapping whose keys are free into a map of texts.
func (d *decoder) texts(n ast.Node, path string, f field, v reflect.Value) {
	entries, ok := entriesOf(n)
	if !ok {
		d.fault(n, path, "must be a mapping of names to strings, not "+describe(n), "write NAME: value")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range entries {
		key, ok := keyOf(e)
		if !ok {
			d.fault(e, path, "a name must be a plain word", "merge keys, anchors and lists as keys are not supported")
			continue
		}
		here := join(path, key)
		if v.MapIndex(reflect.ValueOf(key)).IsValid() {
			d.fault(e.Key, here, "is given twice", "the first is on "+d.where(d.at[here].line)+": keep one")
			continue
		}
		text := reflect.New(v.Type().Elem()).Elem()
		d.entry(e, here, f, text)
		v.SetMapIndex(reflect.ValueOf(key), text)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// example is the remedy for a missing key.
func example(f field) string {
	if f.typ == reflect.TypeFor[KeyHash]() {
		return leaves[f.typ].bare("")
	}
	if f.example != "" && f.typ.Kind() == reflect.Slice {
		return fmt.Sprintf("add it, for example %s: [%s]", f.key, f.example)
	}
	if f.example != "" {
		return fmt.Sprintf("add it, for example %s: %s", f.key, f.example)
	}
	return "add it"
}

// homesOf lists the blocks, other than the one at hand, that have a key.
func homesOf(key string) []string {
	var homes []string
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			if t.Kind() == reflect.Slice {
				path += "[]"
			}
			t = t.Elem()
		}
		if !isBlock(t) || seen[t] {
			return
		}
		seen[t] = true
		for _, f := range shapeOf(t).fields {
			if f.key == key && path != "" {
				homes = append(homes, path)
			}
			walk(f.typ, join(path, f.key))
		}
	}
	walk(reflect.TypeFor[Config](), "")
	if len(homes) > 4 {
		return nil // a word as common as "name" has no particular home
	}
	return homes
}
