package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// A shape is the tags of a struct of this package:
//
//	yaml:"key"      the key in the file; "-" for none
//	need:"true"     must be given
//	default:"30s"   the value when absent, written as in the file
//	min, max        bounds, written as in the file
//	enum:"a|b"      the only texts allowed
//	format:"url"    a rule of formats.go for texts
//	example:"..."   for the JSON Schema
//
// and, on a blank field, oneof:"a|b": exactly one of these keys must be given.
type shape struct {
	fields []field
	oneof  []string
}

// field is one key of a shape.
type field struct {
	key      string
	index    int
	typ      reflect.Type
	need     bool
	def      string
	hasDef   bool
	min, max string
	enum     []string
	format   string
	example  string
}

func (s *shape) keys() []string {
	keys := make([]string, len(s.fields))
	for i, f := range s.fields {
		keys[i] = f.key
	}
	return keys
}

func (s *shape) field(key string) (field, bool) {
	for _, f := range s.fields {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

var shapes sync.Map // reflect.Type of a struct -> *shape

// shapeOf reads the tags of a struct type once.
func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{}
	for i := range t.NumField() {
		f := t.Field(i)
		if alternatives, ok := f.Tag.Lookup("oneof"); ok {
			s.oneof = strings.Split(alternatives, "|")
		}
		key, ok := f.Tag.Lookup("yaml")
		if !ok || key == "-" {
			continue
		}
		s.fields = append(s.fields, fieldOf(i, key, f))
	}
	shapes.Store(t, s)
	return s
}

func fieldOf(i int, key string, f reflect.StructField) field {
	def, hasDef := f.Tag.Lookup("default")
	out := field{
		key: key, index: i, typ: f.Type, def: def, hasDef: hasDef,
		need: f.Tag.Get("need") == "true", min: f.Tag.Get("min"), max: f.Tag.Get("max"),
		format: f.Tag.Get("format"), example: f.Tag.Get("example"),
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		out.enum = strings.Split(enum, "|")
	}
	return out
}

// isBlock says whether t is a struct with its own keys, not one written as
// text.
func isBlock(t reflect.Type) bool {
	_, text := leaves[t]
	return t.Kind() == reflect.Struct && !text
}

// setDefaults gives every field of the struct v its default, including inner
// blocks; optional blocks (pointers) stay nil.
func setDefaults(v reflect.Value) {
	for _, f := range shapeOf(v.Type()).fields {
		fv := v.Field(f.index)
		if isBlock(f.typ) {
			setDefaults(fv)
			continue
		}
		if f.hasDef {
			fv.Set(mustLiteral(f.typ, f.def))
		}
	}
}

// mustLiteral reads a value of a tag. It panics on a wrong one: tags are part
// of the program, and a test reads every one of them.
func mustLiteral(t reflect.Type, text string) reflect.Value {
	v := reflect.New(t).Elem()
	if l, ok := leaves[t]; ok {
		x, problem := l.parse(text)
		if problem != "" {
			panic(fmt.Sprintf("tag value %q of type %v %s", text, t, problem))
		}
		v.Set(reflect.ValueOf(x))
		return v
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			panic(err)
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		v.SetBool(text == "true")
	default:
		panic(fmt.Sprintf("a tag cannot give a %v", t))
	}
	return v
}
