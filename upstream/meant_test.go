package upstream_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"weir"
	. "weir/upstream"
)

// Promises in the package's comments. internal/mutants has a wrong change for each.

func TestAChunkTellsAllOfItsUsage(t *testing.T) {
	e := streamOf(weir.OpChat, []byte(`data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}}

data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}

`), 64, false)
	e.Next()
	ev, err := e.Next()
	if err != nil || ev.Usage == nil || ev.Usage.Completion != 3 || ev.Usage.Cached != 0 {
		t.Errorf("what an earlier chunk told is kept: %+v, %v", ev.Usage, err)
	}
}

func TestAResponseCompletedWithNothingIsNoFinish(t *testing.T) {
	const delta = `data: {"type":"response.output_text.delta","delta":"a"}` + "\n\n"
	for text, want := range map[string]EventKind{
		`{"type":"response.completed","response":{"status":"completed","output":[]}}`:           Meta,
		`{"type":"response.completed","response":{"status":"completed","output":[{"id":"a"}]}}`: Finish,
	} {
		e := streamOf(weir.OpResponses, []byte("data: "+text+"\n\n"), 64, false)
		if ev, err := e.Next(); err != nil || ev.Kind != want {
			t.Errorf("%s: %v, want %v, %v", text, ev.Kind, want, err)
		}
		e = streamOf(weir.OpResponses, []byte(delta+"data: "+text+"\n\n"), 64, false)
		e.Next()
		if ev, err := e.Next(); err != nil || ev.Kind != Finish {
			t.Errorf("after a delta %s: %v, want a finish, %v", text, ev.Kind, err)
		}
	}
}

func TestWhatIsAWholeAnswer(t *testing.T) {
	const choice = `{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}`
	for _, c := range []struct {
		op   weir.Op
		body string
		want bool
	}{
		{weir.OpChat, `{"choices":[` + choice + `]}`, true},
		{weir.OpChat, `{"choices":[]}`, false},
		{weir.OpChat, `{"choices":[` + choice + `],"error":{"message":"out of memory"}}`, false},
		{weir.OpChat, `{"choices":[` + choice + `],"error":null}`, true},
		{weir.OpChat, `{"choices":[` + strings.Replace(choice, "stop", "abort", 1) + `]}`, false},
		{weir.OpChat, `{"choices":[` + strings.Replace(choice, "stop", "error", 1) + `]}`, false},
		{weir.OpEmbeddings, `{"data":[]}`, false},
	} {
		if got := ReadAnswer(c.op, []byte(c.body)).Whole; got != c.want {
			t.Errorf("%v: whole is %v of %s", c.op, got, c.body)
		}
	}
}

func TestWhatATotalCountsBeyondItsPartsWasProduced(t *testing.T) {
	u, ok := ReadUsage(weir.OpChat, []byte(`{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],
		"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":20}}`))
	if !ok || u.Prompt != 10 || u.Completion != 10 || u.Reasoning != 5 {
		t.Errorf("%+v, %v: want 10 answered, 5 of them reasoning", u, ok)
	}
}

func TestWhatWasFilteredIsNeverAskedElsewhere(t *testing.T) {
	for _, status := range []int{400, 429, 500, 503} {
		f := ReadFailure(weir.OpChat, status, func(string) string { return "" }, []byte(`{"error":{"code":"content_filter","message":"no"}}`), time.Now())
		if !f.ContentFilter || f.Retryable || f.Fault != weir.CallerFault {
			t.Errorf("status %d: %+v", status, f)
		}
	}
}

func TestAMessageIsCutBetweenLetters(t *testing.T) {
	for lead := range 4 {
		message := strings.Repeat("a", lead) + strings.Repeat("é", 2000)
		f := ReadFailure(weir.OpChat, 500, func(string) string { return "" }, []byte(`{"error":{"message":"`+message+`"}}`), time.Now())
		if len(f.Message) > MaxFailureMessage || len(f.Message) < MaxFailureMessage-4 || !utf8.ValidString(f.Message) {
			t.Errorf("%d bytes, valid is %v", len(f.Message), utf8.ValidString(f.Message))
		}
	}
}
