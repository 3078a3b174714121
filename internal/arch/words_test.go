package arch

import (
	"go/scanner"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// banned are the words that a reader from the field stumbles on, each with what
// to write instead. left is how many of them the tree still has: it may fall,
// and new text adds none.
var banned = []struct {
	what, instead string
	pattern       *regexp.Regexp
	left          int
}{
	{"who is", "name the caller, the tenant, the replica", word(`who is`), 0},
	{"whoever", "name the caller, the tenant, the replica", word(`whoever`), 0},
	{"nobody is, nobody waits", "say what does not happen: no request waits", word(`nobody (is|waits)`), 0},
	{"whatever is", "name the thing", word(`whatever is`), 0},
	{"anew", "again", word(`anew`), 0},
	{"lately", "recently, or the window", word(`lately`), 0},
	{"for want of", "because there is no", word(`for want of`), 0},
	{"as it were", "nothing", word(`as it were`), 0},
	{"of an age nobody knows", "of unknown age", word(`of an age nobody knows`), 0},
	{"so that, twice in one sentence", "two sentences", regexp.MustCompile(`(?i)\bso that\b[^.:;!?]*\bso that\b`), 0},
}

func word(phrase string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b` + strings.ReplaceAll(phrase, " ", `\s+`) + `\b`)
}

// TestPlainWords: comments, string literals and documents keep to plain words.
// docs/ARCHITECTURE.md has the glossary. Recorded data, and the name of this
// test's own list, are not text that anybody wrote.
func TestPlainWords(t *testing.T) {
	found := make([][]string, len(banned))
	texts := 0
	walk(t, func(file string) {
		if strings.HasSuffix(file, "words_test.go") {
			return
		}
		text := prose(t, file)
		if text == "" {
			return
		}
		texts++
		for i, b := range banned {
			for range b.pattern.FindAllStringIndex(text, -1) {
				found[i] = append(found[i], strings.TrimPrefix(filepath.ToSlash(file), "../../"))
			}
		}
	})
	if texts < 500 {
		t.Errorf("read %d files: the walk is broken", texts)
	}
	for i, b := range banned {
		if n := len(found[i]); n > b.left {
			t.Errorf("%q stands %d times in the tree, at most %d: write %s. In %s",
				b.what, n, b.left, b.instead, strings.Join(slices.Compact(found[i]), ", "))
		}
	}
}

// prose is the part of a file that a person reads: all of a document, of Go
// its comments and string literals, one line each joined by blanks.
func prose(t *testing.T, file string) string {
	switch filepath.Ext(file) {
	case ".md":
		return strings.Join(strings.Fields(read(t, file)), " ")
	case ".yaml", ".yml", ".service", ".txt", ".txtar", ".err":
		return strings.Join(strings.Fields(strings.ReplaceAll(read(t, file), "\n#", "\n")), " ")
	case ".go":
		return goProse(read(t, file))
	}
	return ""
}

func goProse(source string) string {
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile("", files.Base(), len(source)), []byte(source), nil, scanner.ScanComments)
	var text strings.Builder
	for {
		_, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return text.String()
		case token.COMMENT:
			text.WriteString(strings.TrimPrefix(lit, "//"))
			text.WriteByte(' ')
		case token.STRING:
			text.WriteString(lit)
			text.WriteString(" ; ") // one literal is not a sentence with the next
		}
	}
}
