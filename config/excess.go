package config

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// Bounds on the structure of a file. The parser's time grows with the cube of
// the depth and with the square of everything else bounded here: a file of
// MaxBytes could take minutes. In brackets, the needs of a weir.yaml.
const (
	maxDepth     = 50   // brackets in brackets, dashes after dashes (8)
	maxIndent    = 200  // columns before a key (16)
	maxKeys      = 1000 // of one block (17; one for each variable of an env)
	maxAdjacent  = 50   // texts with nothing between them (1)
	maxDocuments = 10   // several documents are refused elsewhere, with a better message (1)
)

// excess returns the first token beyond a bound, and the problem; or nil.
func excess(tokens token.Tokens) (*token.Token, string) {
	var brackets, run, texts, documents int
	keys := keyCount{}
	for _, t := range tokens {
		brackets += opens(t)
		run = grow(run, isMark(t))
		texts = grow(texts, isText(t))
		documents += one(t.Type == token.DocumentHeaderType)
		switch {
		case brackets > maxDepth || run > maxDepth:
			return t, fmt.Sprintf("values are nested more than %d deep here", maxDepth)
		case t.Position.IndentNum > maxIndent:
			return t, fmt.Sprintf("this is indented by more than %d columns", maxIndent)
		case keys.saw(t) > maxKeys:
			return t, fmt.Sprintf("this block has more than %d keys", maxKeys)
		case texts > maxAdjacent:
			return t, fmt.Sprintf("more than %d texts follow each other without a key or comma", maxAdjacent)
		case documents > maxDocuments:
			return t, fmt.Sprintf("this is the document after the first %d", maxDocuments)
		}
	}
	return nil, ""
}

// keyCount counts the keys of each open block, by the column they begin in.
type keyCount []struct{ column, keys int }

// saw takes in one token and returns how many keys its block has so far.
func (k *keyCount) saw(t *token.Token) int {
	switch t.Type {
	case token.MappingValueType:
		if t.Prev == nil {
			return 0
		}
		t = t.Prev // the key
	case token.MappingKeyType, token.SequenceEntryType:
	default:
		return 0
	}
	column := t.Position.Column
	open := *k
	for len(open) > 0 && open[len(open)-1].column > column {
		open = open[:len(open)-1]
	}
	if t.Type == token.SequenceEntryType {
		*k = open
		return 0
	}
	if len(open) == 0 || open[len(open)-1].column < column {
		open = append(open, struct{ column, keys int }{column, 0})
	}
	open[len(open)-1].keys++
	*k = open
	return open[len(open)-1].keys
}

// opens is +1 for an opening bracket, -1 for a closing one, else 0.
func opens(t *token.Token) int {
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		return 1
	case token.SequenceEndType, token.MappingEndType:
		return -1
	}
	return 0
}

// isMark says whether t nests the value after it without brackets.
func isMark(t *token.Token) bool {
	switch t.Type {
	case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType, token.AliasType:
		return true
	}
	return false
}

func isText(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.SingleQuoteType, token.DoubleQuoteType:
		return true
	}
	return false
}

// grow counts how often in a row so was true.
func grow(n int, so bool) int {
	if so {
		return n + 1
	}
	return 0
}

func one(so bool) int {
	if so {
		return 1
	}
	return 0
}
