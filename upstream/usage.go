package upstream

import (
	"weir"
	"weir/jsonscan"
)

// ReadUsage reads the usage of a whole answer that is not streamed. ok is
// false when it tells none.
func ReadUsage(op weir.Op, body []byte) (u weir.Usage, ok bool) {
	a := ReadAnswer(op, body)
	return a.Usage, a.Told && a.Object
}

// counts are what was told of usage so far, in the words of any API. Of the
// same thing under two names the larger counts.
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
	usage                     weir.Usage
}

// words are the counts that were told.
type words uint8

const (
	saysInput words = 1 << iota
	saysOutput
	saysTotal
	saysMiss
	saysRead // in the words of those who count the cached tokens beside the prompt
)

// usageObject reads usage in the words of any API and provider:
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
func (f *found) usageObject(s *jsonscan.Cursor) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	before := f.counts
	f.odd = false
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		f.count(s, s.Key())
	}
	f.usageCame = true
	if f.odd || !f.sum() {
		f.counts = before
		return
	}
	f.hasUsage = true
}

// count reads one member of a usage object.
func (f *found) count(s *jsonscan.Cursor, key []byte) {
	switch string(key) {
	case "prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "promptTokenCount":
		f.main(s, saysInput, &f.input)
	case "completion_tokens", "output_tokens", "completionTokens", "outputTokens", "candidatesTokenCount":
		f.main(s, saysOutput, &f.answered)
	case "total_tokens", "totalTokens", "totalTokenCount":
		f.beside(s, saysTotal, &f.total)
	case "prompt_cache_miss_tokens":
		f.beside(s, saysMiss, &f.miss)
	case "prompt_tokens_details", "input_tokens_details":
		f.details(s, &f.audioIn)
	case "completion_tokens_details", "output_tokens_details":
		f.details(s, &f.audioOut)
	case "cache_creation":
		f.creation(s)
	case "cached_tokens", "prompt_cache_hit_tokens", "cachedContentTokenCount", "num_cached_tokens":
		f.part(s, &f.cached)
	case "cache_read_input_tokens", "cacheReadInputTokens":
		f.has |= saysRead
		f.part(s, &f.cached)
	case "cache_creation_input_tokens", "cacheWriteInputTokens":
		f.has |= saysRead
		f.part(s, &f.written)
	case "reasoning_tokens", "thoughtsTokenCount":
		f.part(s, &f.reasoning)
	case "billed_units":
		f.billed(s)
	case "service_tier":
		f.tierOf(s)
	default:
		s.Skip()
	}
}

// main reads a count without which usage is not told; null counts as absent.
func (f *found) main(s *jsonscan.Cursor, word words, into *int64) {
	if s.Peek() == 'n' {
		s.Skip()
		return
	}
	n, ok := count(s)
	f.odd = f.odd || !ok
	*into = max(*into, n)
	f.has |= word
}

// beside reads a count that the others can do without: one that cannot be is as
// if it had not been told, and is said.
func (f *found) beside(s *jsonscan.Cursor, word words, into *int64) {
	if s.Peek() == 'n' {
		s.Skip()
		return
	}
	broken := f.broken
	f.broken = false
	f.part(s, into)
	if !f.broken {
		f.has |= word
	}
	f.broken = f.broken || broken
}

// billed reads Cohere's billed_units, which stand for the tokens beside them.
func (f *found) billed(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch key := s.Key(); string(key) {
		case "input_tokens", "output_tokens":
			f.count(s, key)
		default:
			s.Skip()
		}
	}
}

// usageWithin reads the usage that an extension of a provider holds.
func (f *found) usageWithin(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		if string(s.Key()) == "usage" {
			f.usageObject(s)
		} else {
			s.Skip()
		}
	}
}

// part reads a count of a part. One that cannot be costs its own knowledge only.
func (f *found) part(s *jsonscan.Cursor, into *int64) {
	n, ok := count(s)
	if !ok {
		f.broken = true
		return
	}
	*into = max(*into, n)
}

// details reads the parts of a prompt or an answer.
func (f *found) details(s *jsonscan.Cursor, audio *int64) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "cached_tokens":
			f.part(s, &f.hit)
		case "cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens":
			f.part(s, &f.written)
		case "cache_creation":
			f.creation(s)
		case "reasoning_tokens":
			f.part(s, &f.reasoning)
		case "audio_tokens":
			f.part(s, audio)
		default:
			s.Skip()
		}
	}
}

// creation reads what was written to the cache, by how long it is to be kept.
func (f *found) creation(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "ephemeral_5m_input_tokens":
			f.part(s, &f.written5)
		case "ephemeral_1h_input_tokens":
			f.part(s, &f.hourly)
		default:
			s.Skip()
		}
	}
}

// tierOf reads the service tier a request was served as.
func (f *found) tierOf(s *jsonscan.Cursor) {
	if s.Peek() != '"' {
		s.Skip()
		return
	}
	f.tier = TierOf(s.Text())
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
