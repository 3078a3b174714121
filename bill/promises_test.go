package bill_test

import (
	"testing"

	"weir/bill"
)

// OpenAI counts cached and audio tokens in the input, and audio in the output: a
// line has what is of no other kind.
func TestEachTokenOfOpenAIsUsageIsOnOneLine(t *testing.T) {
	lines, err := bill.OpenAI([]byte(`{"data":[{"start_time":0,"end_time":86400,"results":[{"model":"gpt-4o-audio",
		"input_tokens":100,"input_cached_tokens":30,"input_audio_tokens":20,"output_tokens":50,"output_audio_tokens":40,"num_model_requests":7}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[bill.Kind]int64{bill.Input: 50, bill.Cached: 30, bill.AudioIn: 20, bill.Output: 10, bill.AudioOut: 40, bill.Requests: 7}
	for _, l := range lines {
		if l.Tokens != want[l.Kind] {
			t.Errorf("%s: %d, want %d", l.Kind, l.Tokens, want[l.Kind])
		}
		delete(want, l.Kind)
	}
	if len(want) > 0 {
		t.Errorf("no line of %v", want)
	}
}
