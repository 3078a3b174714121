package gateway

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

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
	if got := string(body[a.includeUsage.From:a.includeUsage.To]); got != "false" {
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
