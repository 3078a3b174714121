package upstream_test

import (
	"testing"

	"weir"
	. "weir/upstream"
)

// A chunk with a choice is never the usage event, which a gateway hides: servers with
// continuous usage report it beside every choice, even with an empty list.
func TestUsageBesideAChoiceIsNotTheUsageEvent(t *testing.T) {
	f := func(data string, want EventKind) {
		t.Helper()
		e := streamOf(weir.OpChat, []byte("data: "+data+"\n\n"), 64, false)
		if ev, err := e.Next(); err != nil || ev.Kind != want || ev.Usage == nil {
			t.Errorf("%s: %v %+v", data, err, ev)
		}
	}
	f(`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":9,"completion_tokens":0}}`, Meta)
	f(`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`, Token)
	f(`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}`, Usage)
}
