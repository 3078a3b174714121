package chunk

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

const page = `Before any heading.

# Manual

Intro.

## Install

Run this:

` + "```sh\n# no heading\n\nmake\n```" + `

## Use

First paragraph of use.

Second paragraph.
`

func TestMarkdownIsCutAtHeadings(t *testing.T) {
	var got []string
	for _, c := range Split(Markdown, page, Options{}) {
		got = append(got, fmt.Sprintf("%s|%s", c.Heading, c.Text))
	}
	want := []string{"|Before any heading.", "Manual|Intro.", "Manual > Install|Run this:\n\n```sh\n# no heading\n\nmake\n```", "Manual > Use|First paragraph of use.\n\nSecond paragraph."}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("have %q\nwant %q", got, want)
	}
}

func TestCodeIsCutBeforeDeclarations(t *testing.T) {
	var code strings.Builder
	for i := range 6 {
		fmt.Fprintf(&code, "// f%d does it.\nfunc f%d() {\n\n\tone()\n\n\ttwo()\n}\n\n", i, i)
	}
	for _, c := range Split(Code, code.String(), Options{Tokens: 25, Overlap: -1}) {
		if !strings.HasPrefix(c.Text, "// f") || !strings.HasSuffix(c.Text, "}") {
			t.Errorf("%q", c.Text)
		}
	}
}

func TestTheEndOfAChunkIsRepeated(t *testing.T) {
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "paragraph %02d.\n\n", i)
	}
	cs := Split(Plain, text.String(), Options{Tokens: 40, Overlap: 8})
	for i := 1; i < len(cs); i++ {
		if over := cs[i-1].End - cs[i].Start; over <= 0 || Tokens(text.String()[cs[i].Start:cs[i-1].End]) > 8 {
			t.Errorf("chunk %d repeats %d bytes", i, over)
		}
	}
	if len(cs) < 3 {
		t.Error(len(cs))
	}
}

// A chunk that the next one repeats whole is no chunk of its own.
func TestNoChunkIsInAnother(t *testing.T) {
	text := "\n\n# A\n\n## B\nthree"
	if cs := Split(Plain, text, Options{Tokens: 4, Overlap: 2}); len(cs) != 1 || cs[0].Text != "# A\n\n## B\nthree" {
		t.Errorf("%+v", cs)
	}
}

// Chunks cover the document, in order, within their size, and are the same in each run.
func TestChunksCoverTheDocument(t *testing.T) {
	line := rapid.OneOf(rapid.SampledFrom([]string{"", "# A", "## B", "```", "func f() {", "}", "  x", "Ein Satz. Noch einer? Ja!", strings.Repeat("long ", 60), strings.Repeat("日本語", 50)}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ToValidUTF8(strings.Join(rapid.SliceOfN(line, 0, 30).Draw(t, "lines"), "\n"), "?")
		kind := Kind(rapid.IntRange(0, 2).Draw(t, "kind"))
		o := Options{Tokens: rapid.IntRange(4, 60).Draw(t, "tokens"), Overlap: rapid.IntRange(-1, 20).Draw(t, "overlap")}
		cs := Split(kind, text, o)
		if again := Split(kind, text, o); fmt.Sprint(again) != fmt.Sprint(cs) {
			t.Fatal("another run cuts elsewhere")
		}
		done, last := 0, -1
		for _, c := range cs {
			if c.Text != text[c.Start:c.End] || c.Text == "" || !utf8.ValidString(c.Text) || c.Start <= last {
				t.Fatalf("%+v of %q", c, text)
			}
			if Tokens(c.Text) > o.Tokens {
				t.Fatalf("%d tokens, want at most %d", Tokens(c.Text), o.Tokens)
			}
			if c.Start > done {
				between(t, kind, text[done:c.Start])
			}
			done, last = max(done, c.End), c.Start
		}
		between(t, kind, text[done:])
	})
}

// between checks what no chunk has: space, and headings, which are in Heading.
func between(t *rapid.T, kind Kind, text string) {
	for l := range strings.SplitSeq(text, "\n") {
		l = strings.Trim(l, " \t\r\n")
		if level, _ := heading(l); l != "" && (kind != Markdown || level == 0) {
			t.Fatalf("no chunk has %q", l)
		}
	}
}
