package config

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// scalar decodes a text, number or true/false into v, and holds it to the
// field's bounds.
func (d *decoder) scalar(n ast.Node, path string, f field, v reflect.Value) {
	if l, ok := leaves[v.Type()]; ok {
		d.leaf(n, path, f, l, v)
		return
	}
	switch v.Kind() {
	case reflect.String:
		d.text(n, path, f, v)
	case reflect.Int:
		d.integer(n, path, f, v)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.fault(n, path, "must be true or false, not "+describe(n), "write true or false without quotes")
			return
		}
		v.SetBool(b.Value)
	default:
		panic(fmt.Sprintf("config: a field of type %v cannot be decoded", v.Type()))
	}
}

// leaf decodes a type that is written as text with a unit.
func (d *decoder) leaf(n ast.Node, path string, f field, l leaf, v reflect.Value) {
	text, isText := textOf(n)
	if !isText {
		remedy := "give " + l.want
		if number, ok := numberOf(n); ok {
			remedy = l.bare(number)
		}
		shown := describe(n)
		if private(v.Type()) {
			d.hide(d.position(n))
			shown = "something else"
		}
		d.fault(n, path, "must be "+l.want+", not "+shown, remedy)
		return
	}
	x, problem := l.parse(text)
	if problem != "" {
		d.badLeaf(n, path, l, v.Type(), text, problem)
		return
	}
	v.Set(reflect.ValueOf(x))
	if s, ok := v.Addr().Interface().(*Secret); ok {
		d.secrets = append(d.secrets, secretAt{s, path})
	}
	d.bounds(n, path, f, v, text)
}

// badLeaf makes the fault of a text that parse refused. It never repeats a
// possible secret.
func (d *decoder) badLeaf(n ast.Node, path string, l leaf, t reflect.Type, text, problem string) {
	if private(t) {
		d.hide(d.position(n))
		d.fault(n, path, problem, l.bare(""))
		return
	}
	d.fault(n, path, fmt.Sprintf("%s %s", quote(text), problem), "give "+l.want)
}

// private says whether a wrong value of type t may be a secret written into the
// file.
func private(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[KeyHash]()
}

func (d *decoder) text(n ast.Node, path string, f field, v reflect.Value) {
	text, ok := textOf(n)
	if number, plain := n.(*ast.IntegerNode); plain && formats[f.format].whole != nil {
		text, ok = number.GetToken().Value, true
	}
	if !ok {
		remedy := "give a string"
		switch n := n.(type) {
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			remedy = fmt.Sprintf(`write "%s" with quotes`, n.GetToken().Value)
		case *ast.MappingNode:
			if n.IsFlowStyle {
				remedy = "a string that starts with { must be in quotes"
			}
		}
		if f.enum != nil {
			remedy = "allowed: " + strings.Join(f.enum, ", ")
		}
		d.fault(n, path, "must be a string, not "+describe(n), remedy)
		return
	}
	if f.enum != nil && !contains(f.enum, text) {
		remedy := "allowed: " + strings.Join(f.enum, ", ")
		if near := nearest(text, f.enum); near != "" {
			remedy = fmt.Sprintf("did you mean %q? %s", near, remedy)
		}
		d.fault(n, path, quote(text)+" is not allowed", remedy)
		return
	}
	if (f.format == "url" || f.format == "endpoint") && strings.Contains(text, "@") && !portalPage(text) {
		d.hide(d.position(n))
		d.fault(n, path, "a URL must not contain a user or password", "give a key as api_key: env:NAME")
		return
	}
	if form, ok := formats[f.format]; ok {
		if form.whole != nil {
			text = form.whole(text)
		}
		if problem, remedy := form.check(text); problem != "" {
			d.fault(n, path, problem, remedy)
			return
		}
	}
	v.SetString(text)
}

func (d *decoder) integer(n ast.Node, path string, f field, v reflect.Value) {
	allowed := fmt.Sprintf("a whole number from %s to %s", f.min, f.max)
	i, ok := n.(*ast.IntegerNode)
	if text, isText := textOf(n); isText && !quoted(n) && digits(text) {
		d.fault(n, path, text+" is out of range", "give "+allowed) // too long for the parser
		return
	}
	if text, isText := textOf(n); isText && !quoted(n) && f.isMany() && text != "" && text[0] >= '0' && text[0] <= '9' {
		d.count(n, path, f, v, text)
		return
	}
	if !ok {
		remedy := "give " + allowed
		if text, isText := textOf(n); isText && quoted(n) && plainDecimal.MatchString(text) {
			remedy = fmt.Sprintf("write %s without quotes", text)
		}
		d.fault(n, path, "must be a whole number, not "+describe(n), remedy)
		return
	}
	if text := i.Token.Value; !decimalDigits.MatchString(text) {
		d.fault(n, path, text+" is not in plain decimal digits", "give "+allowed+", without a leading zero")
		return
	}
	number, ok := whole(i.Value)
	if !ok {
		d.fault(n, path, i.Token.Value+" is out of range", "give "+allowed)
		return
	}
	v.SetInt(number)
	d.bounds(n, path, f, v, i.Token.Value)
}

// count decodes a number with a unit.
func (d *decoder) count(n ast.Node, path string, f field, v reflect.Value, text string) {
	number, problem := ParseCount(text)
	if problem != "" {
		d.fault(n, path, quote(text)+" "+problem, fmt.Sprintf("give a whole number from %s to %s, such as 450000, 450k or 1.5M", f.min, f.max))
		return
	}
	v.SetInt(number)
	d.bounds(n, path, f, v, text)
}

func digits(text string) bool {
	return text != "" && len(text) < 60 && strings.Trim(strings.TrimPrefix(text, "-"), "0123456789") == ""
}

// whole converts the parser's form of an integer.
func whole(x any) (int64, bool) {
	switch x := x.(type) {
	case int64:
		return x, true
	case uint64:
		return int64(x), x <= math.MaxInt64
	}
	return 0, false
}

// bounds faults a value outside the field's minimum and maximum.
func (d *decoder) bounds(n ast.Node, path string, f field, v reflect.Value, text string) {
	if f.min != "" && less(v, mustLiteral(v.Type(), f.min)) || f.max != "" && less(mustLiteral(v.Type(), f.max), v) {
		d.fault(n, path, text+" is out of range", fmt.Sprintf("allowed: %s to %s", f.min, f.max))
	}
}

func less(a, b reflect.Value) bool {
	if a.CanInt() {
		return a.Int() < b.Int()
	}
	return a.Float() < b.Float()
}

// textOf returns the text of a text node.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	}
	return "", false
}

// numberOf returns the digits of a plain number without sign.
func numberOf(n ast.Node) (string, bool) {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		digits := n.GetToken().Value
		return digits, plainDecimal.MatchString(digits)
	}
	return "", false
}

// quoted says whether a text is in quotes.
func quoted(n ast.Node) bool {
	t := n.GetToken().Type
	return t == token.SingleQuoteType || t == token.DoubleQuoteType
}

// describe names a node for people.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.NullNode:
		return "nothing"
	}
	if text, ok := textOf(n); ok {
		return "the string " + quote(text)
	}
	return "this"
}

// quote shows a text of the file, cut to a length that fits a line.
func quote(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "..."
	}
	return fmt.Sprintf("%q", text)
}

func contains(list []string, text string) bool {
	for _, s := range list {
		if s == text {
			return true
		}
	}
	return false
}
