package gateway

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestMembersThatAFoldingReaderWouldTakeForOursAreRefused(t *testing.T) {
	f := func(body, field, like string) {
		t.Helper()
		_, err := readAsk([]byte(body))
		var fe *fieldError
		if !errors.As(err, &fe) || fe.field != field || !strings.Contains(fe.want, `"`+like+`"`) {
			t.Errorf("%s: %v, want a fault of %s, like %s", body, err, field, like)
		}
	}
	f(`{"model":"a","Model":"b"}`, "Model", "model")
	f(`{"MODEL":"b","model":"a"}`, "MODEL", "model")
	f(`{"ſtream":true}`, "ſtream", "stream")
	f(`{"\u017Ftream":true}`, "ſtream", "stream")
	f(`{"\u0053tream":true}`, "Stream", "stream")
	f("{\"max_to\u212aens\":1}", "max_to\u212aens", "max_tokens") // the Kelvin sign
	f(`{"max_completion_to\u212aens":1}`, "max_completion_to\u212aens", "max_completion_tokens")
	f(`{"N":5}`, "N", "n")
	f(`{"Messages":[]}`, "Messages", "messages")
	f(`{"ﬅream":true}`, "ﬅream", "stream")
	f(`{"ınput":[]}`, "ınput", "input")
	f(`{"İnput":[]}`, "İnput", "input")
	f(`{"model\u0000x":"b"}`, "model\x00x", "model")
	f(`{"Stream_Options":{"include_usage":true}}`, "Stream_Options", "stream_options")
	f(`{"stream_options":{"Include_usage":true}}`, "stream_options.Include_usage", "include_usage")
	f(`{"stream_options":{"include_uſage":true}}`, "stream_options.include_uſage", "include_usage")
}

func TestMembersOfOtherNamesPass(t *testing.T) {
	for _, body := range []string{
		`{"Temperature":1}`, `{"modelS":1,"Models":1}`, `{"été":1}`, `{"mod\u0065l":"m"}`, `{"":1}`, `{"\u0000":1}`, `{"nn":1}`, `{"Streams":1}`,
		`{"metadata":{"Model":"x"}}`, `{"stream_options":{"Model":"x"}}`, `{"tools":[{"Stream":true}]}`,
	} {
		if _, err := readAsk([]byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Any letters of a name may be replaced by others with the same folding.
func TestEverySpellingOfANameIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(askNames).Draw(t, "name")
		spelt := strings.Map(func(r rune) rune {
			for range rapid.IntRange(0, 2).Draw(t, "steps") {
				r = unicode.SimpleFold(r)
			}
			return r
		}, name)
		if spelt != name && lookalike([]byte(spelt), askNames) != name {
			t.Fatalf("%q passes for a name of its own", spelt)
		}
	})
}

func TestNoProtocolLetsAForeignSpellingThrough(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	for _, path := range []string{chatPath, "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages", "/openai/deployments/m/chat/completions", "/openai/v1/responses"} {
		resp, answer := r.post(path, `{"model":"m","Stream":true}`)
		if resp.StatusCode != 400 || !strings.Contains(answer, "Stream must be written") || resp.Header.Get("X-Weir-Fault") != "caller" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, answer)
		}
		r.rec()
	}
	if n := b.calls.Load(); n != 0 {
		t.Errorf("%d reached the upstream", n)
	}
}

// A member that is read but not listed would be unguarded.
func TestEveryMemberThatIsReadIsListed(t *testing.T) {
	f := func(function string, names []string) {
		t.Helper()
		read := stringsIn(t, "ask.go", function)
		for _, name := range names {
			if !slices.Contains(read, name) {
				t.Errorf("%s does not read %q, which is listed", function, name)
			}
		}
		for _, name := range read {
			if !slices.Contains(names, name) && !strings.Contains(name, ".") {
				t.Errorf("%s reads %q, which is not listed in names.go", function, name)
			}
		}
	}
	f("member", askNames)
	f("option", optionNames)
	f("talkMember", conversationNames)
}

// stringsIn returns the non-empty string literals of a function.
func stringsIn(t *testing.T, file, function string) (found []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != function {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				s, _ := strconv.Unquote(lit.Value)
				if s != "" && !strings.HasSuffix(s, ".") {
					found = append(found, s)
				}
			}
			return true
		})
	}
	if len(found) == 0 {
		t.Fatalf("no strings in %s", function)
	}
	return found
}
