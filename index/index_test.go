package index

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A line of a JSONL file that is not one whole document ends the run: else documents would
// be taken for ones that are gone.
func TestLinesThatAreNoDocumentAreSaid(t *testing.T) {
	f := func(want, lines string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "a.jsonl")
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		var ids []string
		err := Lines{path}.Walk(t.Context(), func(d Document) error { ids = append(ids, d.ID); return nil })
		if got := fmt.Sprint(ids, err); !strings.Contains(got, want) {
			t.Errorf("%.80s: %.300s, want %s", lines, got, want)
		}
	}
	f("[a b] <nil>", "{\"id\":\"a\",\"text\":\"\"}\n\n {\"id\":\"b\",\"text\":\"x\",\"attributes\":{\"n\":1,\"t\":\"\",\"b\":true}} \r\n")
	f("[] <nil>", "")
	f(":2: the line goes on after its document", "{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"b\",\"text\":\"x\"} {\"id\":\"c\",\"text\":\"x\"}\n")
	f(":1: id or text is missing", `{"id":"a"}`)
	f(`attribute "n" is no text`, `{"id":"a","text":"x","attributes":{"n":[1]}}`)
	f(":1: the text is longer than 16 MiB", `{"id":"a","text":"`+strings.Repeat("x", maxDocument+1)+`"}`)
	f(":2: the line is longer than 32 MiB", "{\"id\":\"a\",\"text\":\"x\"}\n"+strings.Repeat("x", maxLine+1))
}

func TestFiltersAreChecked(t *testing.T) {
	f := func(want, text string) {
		t.Helper()
		var f Filter
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.Validate()); !strings.Contains(got, want) {
			t.Errorf("%.80s: %s, want %s", text, got, want)
		}
	}
	list := func(n int) string { return "[" + strings.Repeat("1,", n-1) + "1]" }
	f("<nil>", `{"type":"in","key":"a","value":`+list(maxFilterValues)+`}`)
	f("at most 1000 values together", `{"type":"in","key":"a","value":`+list(maxFilterValues+1)+`}`)
	f("at most 1000 values together", `{"type":"or","filters":[{"type":"in","key":"a","value":`+list(600)+`},{"type":"nin","key":"a","value":`+list(600)+`}]}`)
	f("compares with a list of texts", `{"type":"in","key":"a","value":[{}]}`)
	f("compares with a list", `{"type":"nin","key":"a","value":"x"}`)
	f("compares with a text, a number", `{"type":"eq","key":"a","value":null}`)
	f("has filters, and no key and value", `{"type":"and"}`)
	f("has key and value, and no filters", `{"type":"eq","value":1}`)
	f("want one of eq", `{"type":"like"}`)
	f("nested at most 8 deep", strings.Repeat(`{"type":"and","filters":[`, 9)+`{"type":"eq","key":"a","value":1}`+strings.Repeat("]}", 9))
}

// What is no vector never comes into an index.
func TestAnswersThatHaveNoVectorAreSaid(t *testing.T) {
	f := func(want, data string) {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"data":%s}`, data) }))
		defer s.Close()
		got, _, err := (&Weir{URL: s.URL}).Embed(t.Context(), []string{"a", "b"})
		if text := fmt.Sprint(got, err); !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %s", data, text, want)
		}
	}
	f("[[1 2] [3 4]] <nil>", `[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}]`)
	f("[[1 2] [1 2]] <nil>", `[{"embedding":[1,2]},{"embedding":"AACAPwAAAEA="}]`)
	f("text 2 of 2: it has a number that is not finite", `[{"embedding":[1]},{"embedding":"AADAfw=="}]`)
	f("text 2 of 2 has 1 numbers, the first one 2", `[{"embedding":[1,2]},{"embedding":[3]}]`)
	f("text 2 of 2 has 0 numbers", `[{"embedding":[1,2]}]`)
	f("not one vector for each of 2 texts", `[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]`)
}

// A list of addresses names the one that cannot be had; none is passed over.
func TestAPageThatCannotBeFetchedEndsTheRun(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/gone":
			w.WriteHeader(404)
		}
		fmt.Fprint(w, "text")
	}))
	defer s.Close()
	f := func(want string, paths ...string) {
		t.Helper()
		list := "# a list\n\n"
		for _, p := range paths {
			list += s.URL + p + "\n"
		}
		path := filepath.Join(t.TempDir(), "list")
		os.WriteFile(path, []byte(list), 0o600)
		n := 0
		err := Pages{path}.Walk(context.Background(), func(Document) error { n++; return nil })
		if got := fmt.Sprint(n, " ", err); !strings.Contains(got, want) {
			t.Errorf("%v: %s, want %s", paths, got, want)
		}
	}
	f("2 <nil>", "/a", "/b")
	f("/endless: it is larger than 16 MiB", "/a", "/endless", "/b")
	f("/gone: status 404", "/a", "/gone")
}
