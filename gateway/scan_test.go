package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// topLevel is what the scanner finds at the top level of an object.
func topLevel(b []byte) (map[string]string, error) {
	s := scanner{b: b}
	found := map[string]string{}
	end, err := s.members(0, func(key []byte, v span) error {
		found[string(unescaped(key))] = string(b[v.from:v.to])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if end = s.space(end); end != len(b) {
		return nil, &syntaxError{end, "the end"}
	}
	return found, nil
}

var scanSeeds = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":[1,2,{"b":null}],"c":{"d":[[]]}}`, `{"a":"\u00e9\n\"","b":-0.5e+10}`,
	`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":-}`, `{"a":1e}`, `{"a":"`, `{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\t\"}",
	`{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":}`, `{"a":[1,]}`, `{"a":[}`, `{"a":{]}`, `[1]`, `"x"`, ``, `{"a":1}x`, `{"a":tru}`,
	`{"a":nul}`, `{"a":true,"a":false}`, `{"mod\u0065l":"x"}`, "{\"\xff\":\"\xff\"}", `{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\\"}`,
	"{\"a\":\"aaaaaaaaaaaaaaa\x01\"}", `{"a":"  éé!` + "\u2028" + `"}`, `{"a":[[[[[[[[1]]]]]]]]}`,
	`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`, "\xef\xbb\xbf{}", `{"a":1e5E}`, `{"":{"":[]}}`, `{"a":[{},[],{"b":{}}]}`,
}

func FuzzScannerAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range scanSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b) })
}

func agree(t *testing.T, b []byte) {
	t.Helper()
	found, err := topLevel(b)
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	valid := json.Valid(b) && len(trimmed) > 0 && trimmed[0] == '{'
	if valid != (err == nil) {
		t.Fatalf("%q: encoding/json says valid=%v, the scanner says %v", b, valid, err)
	}
	if !valid {
		return
	}
	var want map[string]json.RawMessage
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for k, v := range want {
		if strings.ContainsRune(k, '\ufffd') {
			continue // encoding/json writes that for bytes that are no UTF-8
		}
		if found[k] != string(v) {
			t.Fatalf("%q: member %q is %q, the scanner says %q", b, k, v, found[k])
		}
	}
	if len(found) < len(want) {
		t.Fatalf("%q: %d members, the scanner found %d", b, len(want), len(found))
	}
}

func TestScannerAgreesWithEncodingJSONOnEveryPrefixAndByteFlip(t *testing.T) {
	doc := []byte(`{"model":"gpt-4o","messages":[{"role":"user","content":"a \"b\" \\ \u00e9 ü"}],"n":-1.5e+3,"stream":true,"x":[null,false,{}],"y":{"z":[1,2]}}`)
	for i := range doc {
		agree(t, doc[:i])
		for _, c := range []byte("\"\\{}[],:0e.- \x00a") {
			b := bytes.Clone(doc)
			b[i] = c
			agree(t, b)
		}
	}
}

func TestScannerNestsAsDeepAsEncodingJSON(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, maxDepth - 2, maxDepth - 1, maxDepth, maxDepth + 1} {
		agree(t, []byte(`{"a":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`}`))
		agree(t, []byte(strings.Repeat(`{"a":`, n)+"{}"+strings.Repeat("}", n)))
	}
}

func TestAskFindsWhatTheGatewayNeeds(t *testing.T) {
	body := []byte(`{"model":"gpt-4o","stream":true,"n":2,"max_tokens":10,"max_completion_tokens":20,"user":"u1",
		"stream_options":{"include_usage":false,"other":1},"messages":[{"role":"user","content":"hello"}],"unknown":{"model":"no"}}`)
	a, err := readAsk(body)
	if err != nil {
		t.Fatal(err)
	}
	if a.modelName(body) != "gpt-4o" || !a.stream || a.n != 2 || a.maxTokens != 20 || quotedText(body, a.user) != "u1" || a.wantsUsage {
		t.Errorf("%+v", a)
	}
	if got := string(body[a.includeUsage.from:a.includeUsage.to]); got != "false" {
		t.Errorf("include_usage found as %q", got)
	}
	if want := len(`[{"role":"user","content":"hello"}]`); a.promptBytes != want {
		t.Errorf("prompt of %d bytes, want %d", a.promptBytes, want)
	}
}

func TestAskReadsEscapedNamesAndModels(t *testing.T) {
	body := []byte(`{"mod\u0065l":"gpt\u002d4o"}`)
	a, err := readAsk(body)
	if err != nil || a.modelName(body) != "gpt-4o" {
		t.Error(a, err)
	}
}

func TestAskRefusesWhatTwoReadersCouldReadDifferently(t *testing.T) {
	for body, field := range map[string]string{
		`{"model":"a","model":"b"}`:              "model",
		`{"model":"a","mod\u0065l":"b"}`:         "model",
		`{"model":1}`:                            "model",
		`{"stream":"true"}`:                      "stream",
		`{"stream":1}`:                           "stream",
		`{"stream":true,"stream":false}`:         "stream",
		`{"max_tokens":"5"}`:                     "max_tokens",
		`{"n":[]}`:                               "n",
		`{"stream_options":[]}`:                  "stream_options",
		`{"messages":[],"messag\u0065s":[]}`:     "messages",
		`{"input":"a","input":"b"}`:              "input",
		`{"prompt":"a","prompt":["b"]}`:          "prompt",
		`{"system":"a","system":"b"}`:            "system",
		`{"instructions":"","instructions":"b"}`: "instructions",
		`{"tools":[],"tools":[]}`:                "tools",
		`{"audio":null,"audio":{}}`:              "audio",
		`{"modalities":[],"modalities":[]}`:      "modalities",
		`{"n_predict":1,"n_predict":2}`:          "n_predict",
		`{"stream_options":{"include_usage":1}}`: "stream_options.include_usage",
		`{"stream_options":{"include_usage":true,"include_usage":null}}`: "stream_options.include_usage",
	} {
		_, err := readAsk([]byte(body))
		var fe *fieldError
		if !errors.As(err, &fe) || fe.field != field {
			t.Errorf("%s: %v, want a fault of %s", body, err, field)
		}
	}
}

func TestAskLeavesWhatTheUpstreamJudges(t *testing.T) {
	for _, body := range []string{
		`{"model":null,"stream":null,"max_tokens":null,"n":null,"stream_options":null}`, `{"max_tokens":-5}`, `{"max_tokens":1.5}`,
		`{"max_tokens":1e99}`, `{"n":0}`, `{"x":1,"x":2}`, `{"messages":5}`,
	} {
		if _, err := readAsk([]byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestPicturesDoNotCountByTheirBytes(t *testing.T) {
	picture := strings.Repeat("iVBORw0K", 20000)
	text := strings.Repeat("hello there, ", 1000)
	for _, content := range []string{picture, "data:image/png;base64," + picture} {
		a, err := readAsk([]byte(`{"messages":[{"content":"` + text + `"},{"content":"` + content + `"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.promptTokens(); got < len(text)/4 || got > len(text)/4+tokensPerBinary+50 {
			t.Errorf("%d tokens, want about %d and %d for the picture", got, len(text)/4, tokensPerBinary)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	body := benchBody(4 << 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := readAsk(body); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a scan", n)
	}
}

func benchBody(size int) []byte {
	text := strings.Repeat(`The quick brown fox said \"hello\" to the dog.\n`, size/46+1)
	return []byte(`{"model":"gpt-4o","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":"` +
		text[:size/46*46] + `"}],"stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"max_tokens":256}`)
}

func BenchmarkScan(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			body := benchBody(size)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readAsk(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
