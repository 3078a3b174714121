package upstream

import "weir"

// ReadUsage reads the usage of a whole answer that is not streamed. ok is
// false when it tells none.
func ReadUsage(op weir.Op, body []byte) (u weir.Usage, ok bool) {
	a := ReadAnswer(op, body)
	return a.Usage, a.Told && a.Object
}

// maxCount is the most tokens one answer is believed to have used, ten times
// the longest context on offer.
const maxCount = 100_000_000

// counts are what was told of usage so far.
type counts struct {
	usage weir.Usage
	// The Messages API counts prompt tokens in three parts.
	input, read, written int64
}

// usageObject reads usage in the words of any API: prompt_tokens,
// completion_tokens and prompt_tokens_details (chat, completions, embeddings);
// input_tokens, output_tokens and input_tokens_details (responses);
// input_tokens without the cached ones, cache_read_input_tokens,
// cache_creation_input_tokens and output_tokens (messages).
//
// A count that is absent leaves what earlier events of the stream told. Usage
// with a count that cannot be (no number, below zero, beyond maxCount) is as if
// it had not been told: it would be billed.
func (f *found) usageObject(s *scanner) {
	if s.peek() != '{' {
		s.skip()
		return
	}
	before, u := f.counts, &f.usage
	s.odd = false
	for first, in := true, s.open('{'); in && s.next('}', first); first = false {
		switch string(s.key()) {
		case "prompt_tokens", "input_tokens":
			f.input = s.count()
		case "completion_tokens", "output_tokens":
			u.Completion = s.count()
		case "prompt_tokens_details", "input_tokens_details":
			u.Cached = s.cachedTokens()
		case "cache_read_input_tokens":
			f.read = s.count()
		case "cache_creation_input_tokens":
			f.written = s.count()
		default:
			s.skip()
		}
	}
	f.usageCame = true
	if s.odd {
		f.counts = before
		return
	}
	f.hasUsage = true
	u.Prompt = f.input + f.read + f.written
	u.Cached = min(max(u.Cached, f.read), u.Prompt)
}

func (s *scanner) cachedTokens() (n int64) {
	for first, in := true, s.open('{'); in && s.next('}', first); first = false {
		if string(s.key()) == "cached_tokens" {
			n = s.count()
		} else {
			s.skip()
		}
	}
	return n
}
