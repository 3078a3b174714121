package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse returns the body of the one document in src.
func (d *decoder) parse(src []byte) (ast.Node, bool) {
	start := position{d.base() + 1, 1}
	if len(src) > MaxBytes {
		d.faultAt(start, "", fmt.Sprintf("the file has %d bytes", len(src)), fmt.Sprintf("at most %d are read", MaxBytes))
		return nil, false
	}
	text, ok := d.plain(src)
	if !ok {
		return nil, false
	}
	tokens := joinPlain(lexer.Tokenize(text))
	d.shift(tokens)
	if t, problem := excess(tokens); t != nil {
		d.faultAt(d.tokenPosition(t), "", problem, d.remedy("see examples/weir.yaml for the format"))
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil, false
	}
	return d.body(file)
}

// body returns the content of a file's only document.
func (d *decoder) body(file *ast.File) (ast.Node, bool) {
	start := position{d.base() + 1, 1}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if _, ok := doc.Body.(*ast.CommentGroupNode); ok {
			continue
		}
		if body != nil {
			d.fault(doc.Body, "", "a second YAML document starts here", "a file has one document: join the two and remove the line ---")
			return nil, false
		}
		body = doc.Body
	}
	if body == nil && d.several {
		return nil, true // another file may have all keys
	}
	if body == nil {
		d.faultAt(start, "", "the file is empty", d.remedy("it needs at least tenants and models: see examples/weir.yaml"))
		return nil, false
	}
	return body, true
}

// remedy is a remedy that mentions weir.yaml, if the file is one.
func (d *decoder) remedy(text string) string {
	if d.other {
		return "write key: value, one per line"
	}
	return text
}

// plain makes src a text with "\n" between its lines: the parser's positions
// are then those of an editor.
func (d *decoder) plain(src []byte) (string, bool) {
	text := strings.TrimPrefix(string(src), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	before := d.base()
	d.lines = append(d.lines[:before:before], strings.Split(text, "\n")...)
	for i, line := range d.lines[before:] {
		for column, r := range line {
			bad := r == utf8.RuneError || r < ' ' && r != '\t' || r == 0x7f
			if bad {
				p := position{before + i + 1, utf8.RuneCountInString(line[:column]) + 1}
				d.faultAt(p, "", "the file contains a control character or is not UTF-8", "save it as plain UTF-8 text")
				return "", false
			}
		}
	}
	return text, true
}

// syntax notes the parser's error; the parser stops at its first.
func (d *decoder) syntax(err error) {
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	p, problem := position{d.base() + 1, 1}, err.Error()
	if errors.As(err, &at) {
		problem = at.GetMessage()
		if t := at.GetToken(); t != nil {
			p = d.tokenPosition(t)
		}
	}
	p, problem, remedy := d.layout(p, problem)
	d.faultAt(p, "", problem, remedy)
}

// position is where a node begins.
func (d *decoder) position(n ast.Node) position {
	switch m := n.(type) {
	case *ast.MappingNode:
		// Its token is the first colon; people look for the first key.
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return d.position(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return d.position(m.Key)
	}
	return d.tokenPosition(n.GetToken())
}

// tokenPosition keeps the parser's positions inside the file.
func (d *decoder) tokenPosition(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	line := min(max(t.Position.Line, 1), max(len(d.lines), 1))
	length := 0
	if line <= len(d.lines) {
		length = utf8.RuneCountInString(d.lines[line-1])
	}
	return position{line, min(max(t.Position.Column, 1), length+1)}
}

// entriesOf returns the entries of a mapping.
func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

// keyOf returns the key of an entry if it is a plain word.
func keyOf(e *ast.MappingValueNode) (string, bool) {
	switch k := e.Key.(type) {
	case *ast.StringNode:
		return k.Value, k.Value != ""
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return k.GetToken().Value, true
	}
	return "", false
}

func isNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null || n == nil
}

// isIndirect says whether n refers to another value.
func isIndirect(n ast.Node) bool {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return true
	}
	return false
}
