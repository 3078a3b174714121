package upstream

import (
	"weir"
	"weir/jsonscan"
)

// Counting is how an operation reports its usage.
type Counting uint8

const (
	CountsBoth   Counting = iota // prompt and answer together; the prompt includes the cached tokens
	CountsPrompt                 // there is no answer
	CountsParts                  // prompt and answer in several events; the prompt excludes the cached tokens
)

// Tally reads the token usage that a server reports, in the fields of any API and
// provider. The zero value is empty.
type Tally struct {
	Counting Counting
	Usage    weir.Usage // the total so far, if Has
	Has      bool       // valid usage came since Begin
	Came     bool       // usage came since Begin, valid or not
	counts
}

// Begin starts another event. Earlier usage stays.
func (t *Tally) Begin() { t.Has, t.Came = false, false }

// Restart starts another event with the complete usage, and clears everything earlier
// except the tier.
func (t *Tally) Restart() {
	t.Begin()
	t.counts, t.Usage = counts{tier: t.tier}, weir.Usage{}
}

// Whole says whether both prompt and answer were reported, for an answer that is not
// streamed.
func (t *Tally) Whole() bool {
	return t.Counting != CountsParts || t.has&(saysInput|saysOutput) == saysInput|saysOutput
}

// counts are the counts reported so far. Of one count under two names the larger wins.
type counts struct {
	has                       words
	input, answered, total    int64
	cached, hit, miss         int64 // top-level or in the details; the uncached part of the prompt
	written, written5, hourly int64 // all tokens written to the cache, and the two parts of them
	reasoning                 int64
	audioIn, audioOut         int64
	tier                      weir.Tier
	odd                       bool // a count of prompt or answer is impossible
	broken                    bool // a count of a part is impossible
}

// words is the set of counts that were reported.
type words uint8

const (
	saysInput words = 1 << iota
	saysOutput
	saysTotal
	saysMiss
	saysRead // in fields of protocols whose prompt count excludes cached tokens
)

// Read reads the usage object at s, in the fields of any API and provider:
//
//	chat, completions, embeddings   prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details
//	responses                       input_tokens, output_tokens, total_tokens, input_tokens_details, output_tokens_details
//	messages                        input_tokens without the cached ones, cache_read_input_tokens, cache_creation_input_tokens, cache_creation, output_tokens
//	DeepSeek                        prompt_cache_hit_tokens, prompt_cache_miss_tokens (api-docs.deepseek.com, "Context Caching")
//	Moonshot                        cached_tokens beside prompt_tokens
//	Bedrock                         inputTokens without the cached ones, outputTokens, totalTokens, cacheReadInputTokens, cacheWriteInputTokens ("TokenUsage")
//	Gemini                          promptTokenCount, candidatesTokenCount, thoughtsTokenCount, cachedContentTokenCount, totalTokenCount ("UsageMetadata")
//	Alibaba                         cache_creation_input_tokens and cache_creation in prompt_tokens_details
//	Cohere                          billed_units of input_tokens and output_tokens
//
// An absent count keeps the value of earlier events of the stream. Usage whose prompt
// or answer is impossible (not a whole number, negative, above maxCount) is ignored as
// a whole, because it would be billed.
func (t *Tally) Read(s *jsonscan.Cursor) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	before, used := t.counts, t.Usage
	t.odd = false
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		t.count(s, s.Key())
	}
	t.Came = true
	if t.odd || !t.sum() {
		t.counts, t.Usage = before, used
		return
	}
	t.Has = true
}

// count reads one member of a usage object.
func (t *Tally) count(s *jsonscan.Cursor, key []byte) {
	switch string(key) {
	case "prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "promptTokenCount":
		t.main(s, saysInput, &t.input)
	case "completion_tokens", "output_tokens", "completionTokens", "outputTokens", "candidatesTokenCount":
		t.main(s, saysOutput, &t.answered)
	case "total_tokens", "totalTokens", "totalTokenCount":
		t.beside(s, saysTotal, &t.total)
	case "prompt_cache_miss_tokens":
		t.beside(s, saysMiss, &t.miss)
	case "prompt_tokens_details", "input_tokens_details":
		t.details(s, &t.audioIn)
	case "completion_tokens_details", "output_tokens_details":
		t.details(s, &t.audioOut)
	case "cache_creation":
		t.creation(s)
	case "cached_tokens", "prompt_cache_hit_tokens", "cachedContentTokenCount", "num_cached_tokens":
		t.part(s, &t.cached)
	case "cache_read_input_tokens", "cacheReadInputTokens":
		t.has |= saysRead
		t.part(s, &t.cached)
	case "cache_creation_input_tokens", "cacheWriteInputTokens":
		t.has |= saysRead
		t.part(s, &t.written)
	case "reasoning_tokens", "thoughtsTokenCount":
		t.part(s, &t.reasoning)
	case "billed_units":
		t.billed(s)
	case "service_tier":
		t.ReadTier(s)
	default:
		s.Skip()
	}
}

// main reads a required count; null counts as absent.
func (t *Tally) main(s *jsonscan.Cursor, word words, into *int64) {
	if s.Peek() == 'n' {
		s.Skip()
		return
	}
	n, ok := Count(s)
	t.odd = t.odd || !ok
	*into = max(*into, n)
	t.has |= word
}

// beside reads an optional count. An impossible one is ignored, and recorded in broken.
func (t *Tally) beside(s *jsonscan.Cursor, word words, into *int64) {
	if s.Peek() == 'n' {
		s.Skip()
		return
	}
	broken := t.broken
	t.broken = false
	t.part(s, into)
	if !t.broken {
		t.has |= word
	}
	t.broken = t.broken || broken
}

// billed reads the counts in Cohere's billed_units.
func (t *Tally) billed(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch key := s.Key(); string(key) {
		case "input_tokens", "output_tokens":
			t.count(s, key)
		default:
			s.Skip()
		}
	}
}

// ReadWithin reads the usage inside a provider's extension.
func (t *Tally) ReadWithin(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		if string(s.Key()) == "usage" {
			t.Read(s)
		} else {
			s.Skip()
		}
	}
}

// part reads a count of a part. An impossible one is ignored alone.
func (t *Tally) part(s *jsonscan.Cursor, into *int64) {
	n, ok := Count(s)
	if !ok {
		t.broken = true
		return
	}
	*into = max(*into, n)
}

// details reads the parts of a prompt or an answer.
func (t *Tally) details(s *jsonscan.Cursor, audio *int64) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "cached_tokens":
			t.part(s, &t.hit)
		case "cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens":
			t.part(s, &t.written)
		case "cache_creation":
			t.creation(s)
		case "reasoning_tokens":
			t.part(s, &t.reasoning)
		case "audio_tokens":
			t.part(s, audio)
		default:
			s.Skip()
		}
	}
}

// creation reads the tokens written to the cache, by how long they are kept.
func (t *Tally) creation(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "ephemeral_5m_input_tokens":
			t.part(s, &t.written5)
		case "ephemeral_1h_input_tokens":
			t.part(s, &t.hourly)
		default:
			s.Skip()
		}
	}
}

// ReadTier reads the service tier of the answer, and returns the last tier reported.
func (t *Tally) ReadTier(s *jsonscan.Cursor) weir.Tier {
	if s.Peek() != '"' {
		s.Skip()
	} else {
		t.tier = TierOf(s.Text())
	}
	return t.tier
}

// TierOf reads a provider's word for a service tier. auto is replaced by the tier in
// the answer.
func TierOf(word []byte) weir.Tier {
	switch string(word) {
	case "", "auto", "default", "standard", "standard_only":
		return weir.StandardTier
	case "priority":
		return weir.PriorityTier
	case "flex":
		return weir.FlexTier
	}
	return weir.OtherTier
}
