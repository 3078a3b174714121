package upstream

import (
	"weir"
	"weir/jsonscan"
)

// Counting is how an operation's usage is told.
type Counting uint8

const (
	CountsBoth   Counting = iota // prompt and answer together, the cached tokens within the prompt
	CountsPrompt                 // there is no answer
	CountsParts                  // prompt and answer in several events, the cached tokens beside the prompt
)

// Tally reads what a server says of the tokens it used, in the words of any API and
// provider. The zero value has been told nothing.
type Tally struct {
	Counting Counting
	Usage    weir.Usage // all that was told, where Has
	Has      bool       // since Begin usage came that can be
	Came     bool       // since Begin usage came, whether or not it can be
	counts
}

// Begin begins another event. What was told before stays.
func (t *Tally) Begin() { t.Has, t.Came = false, false }

// Restart begins another event that tells all, and forgets what was told before but
// for the tier.
func (t *Tally) Restart() {
	t.Begin()
	t.counts, t.Usage = counts{tier: t.tier}, weir.Usage{}
}

// Whole says whether both prompt and answer were told, where an answer is not
// streamed.
func (t *Tally) Whole() bool {
	return t.Counting != CountsParts || t.has&(saysInput|saysOutput) == saysInput|saysOutput
}

// counts are what was told of usage so far. Of the same thing under two names the
// larger counts.
type counts struct {
	has                       words
	input, answered, total    int64
	cached, hit, miss         int64 // beside and in the details; what of the prompt was not cached
	written, written5, hourly int64 // all that was written to the cache, and its two parts
	reasoning                 int64
	audioIn, audioOut         int64
	tier                      weir.Tier
	odd                       bool // a count of prompt or answer cannot be
	broken                    bool // a count of a part cannot be
}

// words are the counts that were told.
type words uint8

const (
	saysInput words = 1 << iota
	saysOutput
	saysTotal
	saysMiss
	saysRead // in the words of protocols that count cached tokens beside the prompt
)

// Read reads a usage object, which s stands before, in the words of any API and provider:
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
// A count that is absent leaves what earlier events of the stream told. Usage
// whose prompt or answer cannot be (no whole number, below zero, beyond maxCount)
// is as if it had not been told: it would be billed.
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

// main reads a count without which usage is not told; null counts as absent.
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

// beside reads a count that the others can do without: one that cannot be is as
// if it had not been told, and is said.
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

// billed reads Cohere's billed_units, which stand for the tokens beside them.
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

// ReadWithin reads the usage that an extension of a provider holds.
func (t *Tally) ReadWithin(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		if string(s.Key()) == "usage" {
			t.Read(s)
		} else {
			s.Skip()
		}
	}
}

// part reads a count of a part. One that cannot be costs its own knowledge only.
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

// creation reads what was written to the cache, by how long it is to be kept.
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

// ReadTier reads the service tier a request was served as, and returns what it is
// by all that was told.
func (t *Tally) ReadTier(s *jsonscan.Cursor) weir.Tier {
	if s.Peek() != '"' {
		s.Skip()
	} else {
		t.tier = TierOf(s.Text())
	}
	return t.tier
}

// TierOf reads a provider's word for a service tier. auto is what it then says.
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
