// Package chunk cuts documents into parts that fit an embedding model. The same text and
// options give the same chunks in every run, so unchanged parts keep their hash.
//
// It owns where a document may be cut. It refuses to know files, models and vectors.
// Markdown is cut at headings, and each chunk begins with the headings above it; code is
// cut before lines that are not indented; other text at empty lines. A part that is still
// too large is cut at lines, then between sentences and words.
package chunk

import (
	"fmt"
	"path"
	"strings"
)

// version changes when the same text would give other chunks.
const version = 1

// Options are the sizes of chunks, in tokens. Zero values mean the defaults named.
type Options struct {
	Tokens  int // of one chunk at most, besides its headings; 0: 400
	Overlap int // of the end of a chunk that the next one repeats, at most; 0: 40; negative: none
}

func (o Options) withDefaults() Options {
	if o.Tokens <= 0 {
		o.Tokens = 400
	}
	switch {
	case o.Overlap == 0:
		o.Overlap = min(40, o.Tokens/4)
	case o.Overlap < 0:
		o.Overlap = 0
	}
	o.Overlap = min(o.Overlap, o.Tokens/2)
	return o
}

// String names everything on which chunks depend.
func (o Options) String() string {
	o = o.withDefaults()
	return fmt.Sprintf("v%d tokens=%d overlap=%d", version, o.Tokens, o.Overlap)
}

// Chunk is a part of a document.
type Chunk struct {
	Start, End int    // in the document, in bytes
	Heading    string // the headings above it, outermost first, joined by " > "
	Text       string // of the document, without space at its ends
}

// Embedded is the text that is embedded.
func (c *Chunk) Embedded() string {
	if c.Heading == "" {
		return c.Text
	}
	return c.Heading + "\n\n" + c.Text
}

// bytesPerToken is for English. The estimate errs high for most code and Markdown.
const bytesPerToken = 4

// Tokens estimates the tokens of a text.
func Tokens(text string) int { return tokens(len(text)) }

func tokens(bytes int) int { return (bytes + bytesPerToken - 1) / bytesPerToken }

// Kind is how a document is cut.
type Kind uint8

const (
	Plain Kind = iota
	Markdown
	Code
)

// KindOf tells the kind by a file's name.
func KindOf(name string) Kind {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdx":
		return Markdown
	case ".go", ".py", ".js", ".ts", ".tsx", ".jsx", ".java", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".rb", ".cs", ".kt", ".swift", ".sh", ".php", ".scala", ".sql":
		return Code
	}
	return Plain
}

// Split cuts a document.
func Split(kind Kind, text string, o Options) []Chunk {
	o = o.withDefaults()
	var out []Chunk
	for _, s := range sections(kind, text) {
		out = append(out, pack(text, s, kind, o)...)
	}
	return out
}

// pack joins the pieces of a section into chunks.
func pack(text string, s section, kind Kind, o Options) (out []Chunk) {
	ps := pieces(text, s, kind, o.Tokens)
	for first := 0; first < len(ps); {
		last := first + 1
		for last < len(ps) && tokens(ps[last].to-ps[first].from) <= o.Tokens {
			last++
		}
		c := Chunk{Start: ps[first].from, End: ps[last-1].to, Heading: s.heading}
		c.trim(text)
		switch n := len(out); {
		case c.Text == "":
		case n > 0 && out[n-1].Start == c.Start: // all of it is repeated: space stood before it
			out[n-1] = c
		default:
			out = append(out, c)
		}
		if last == len(ps) {
			break
		}
		next := last
		for next-1 > first && tokens(ps[last-1].to-ps[next-1].from) <= o.Overlap {
			next--
		}
		first = next
	}
	return out
}

// trim takes the space off a chunk's ends.
func (c *Chunk) trim(text string) {
	part := text[c.Start:c.End]
	left := strings.TrimLeft(part, " \t\r\n")
	c.Start += len(part) - len(left)
	c.Text = strings.TrimRight(left, " \t\r\n")
	c.End = c.Start + len(c.Text)
}
