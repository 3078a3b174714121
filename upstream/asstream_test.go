package upstream_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir"
	"weir/jsonscan"
	. "weir/upstream"
)

var opNames = map[string]weir.Op{"chat": weir.OpChat, "completions": weir.OpCompletions, "responses": weir.OpResponses, "messages": weir.OpMessages}

// TestWholeAnswersAsStreams converts testdata/whole/OP.json into a stream and compares
// it with OP.sse beside it. Regenerate with UPDATE=1.
func TestWholeAnswersAsStreams(t *testing.T) {
	for name, op := range opNames {
		body, err := os.ReadFile(filepath.Join("testdata/whole", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got := AsStream(op, body, true)
		path := filepath.Join("testdata/whole", name+".sse")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, have\n%s", name, err, got)
		}
	}
}

// Letters of a member's name may be escaped: the answer is still whole, and the stream
// must have all of it.
func TestAnAnswerWithEscapedNamesIsTheSameStream(t *testing.T) {
	for name, op := range opNames {
		body, err := os.ReadFile(filepath.Join("testdata/whole", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		escaped := regexp.MustCompile(`"(\w)(\w*)"(\s*:)`).ReplaceAllFunc(body, func(m []byte) []byte {
			return fmt.Appendf(nil, `"\u00%02x%s`, m[1], m[2:])
		})
		plain := func(b []byte) []byte { // values pass as they are
			return regexp.MustCompile(`\\+u00..`).ReplaceAllFunc(b, func(m []byte) []byte { return jsonscan.Unescaped(m[len(m)-6:]) })
		}
		if got, want := AsStream(op, escaped, true), AsStream(op, body, true); !bytes.Equal(plain(got), want) {
			t.Errorf("%s: have\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A stream made from an answer says the same as the answer: its text, usage and finish.
func TestAStreamMadeOfAnAnswerSaysTheSame(t *testing.T) {
	for name, op := range opNames {
		body, err := os.ReadFile(filepath.Join("testdata/whole", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		a := ReadAnswer(op, body)
		if !a.Whole || !a.HasUsage {
			t.Errorf("%s: %+v", name, a)
		}
		e := streamOf(op, AsStream(op, body, true), 1<<10, true)
		var said []byte
		var used weir.Usage
		finishes := 0
		for {
			ev, err := e.Next()
			if err == io.EOF {
				break
			}
			if err != nil || ev.Kind == Failed || ev.Kind == Malformed {
				t.Fatal(name, err, string(ev.Raw))
			}
			if ev.Usage != nil {
				used = *ev.Usage
			}
			if ev.Kind == Finish {
				finishes++
			}
			if ev.Produced {
				said = AppendText(said, op, ev.Data)
			}
		}
		if _, open := e.Finished(); open || finishes == 0 || used != a.Usage {
			t.Errorf("%s: %d finishes, open %v, usage %+v for %+v", name, finishes, open, used, a.Usage)
		}
		for _, word := range []string{"hello", "hel\nlo"} {
			if strings.Contains(string(AppendText(nil, op, body)), word) && !strings.Contains(string(said), word) {
				t.Errorf("%s: %q is not in %q", name, word, said)
			}
		}
	}
}

// An answer without usage, finish or index makes a stream without them.
func TestAStreamMadeOfAnAnswerInventsNothing(t *testing.T) {
	got := string(AsStream(weir.OpChat, []byte(`{"choices":[{"message":{"content":"a"}}]}`), true))
	want := `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}` + "\n\n" +
		`data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":null}]}` + "\n\n" + "data: [DONE]\n\n"
	if got != want {
		t.Error(got)
	}
	if got := AsStream(weir.OpChat, []byte(`{"choices":`), false); got != nil {
		t.Errorf("%s", got)
	}
}
