package upstream

import "weir"

// This file combines the reported counts into one usage.

// sum combines the counts into one usage; false: they do not determine it.
func (t *Tally) sum() bool {
	c := t.counts
	read, wrote := max(c.cached, c.hit), max(c.written, c.written5+c.hourly)
	prompt, answer, has := c.parts(t.Counting, read, wrote)
	if !complete(t.Counting, has) {
		return false
	}
	u := weir.Usage{Tier: c.tier, Estimated: c.broken}
	if c.has&saysTotal != 0 && t.Counting == CountsBoth {
		// Some providers count reasoning outside the answer, some only in the total (xAI,
		// Google): tokens beyond the parts were produced, and are billed so.
		switch beyond := c.total - prompt - answer; {
		case beyond > 0:
			u.Estimated = u.Estimated || c.reasoning != 0 && beyond != c.reasoning
			c.reasoning = max(c.reasoning, beyond)
			answer += beyond
		case beyond < 0:
			u.Estimated = u.Estimated || c.total != c.input+c.answered // without the cache, if that is counted outside
		}
	}
	if c.reasoning > answer { // outside the answer, without a total that says so
		answer += c.reasoning
	}
	u.Prompt, u.Completion = prompt, answer
	u.Cached = min(read, prompt)
	u.Written = min(wrote, prompt-u.Cached)
	u.WrittenHour = min(c.hourly, u.Written)
	u.Written -= u.WrittenHour
	u.AudioPrompt = min(c.audioIn, prompt-u.Cached-u.Written-u.WrittenHour)
	u.Reasoning = min(c.reasoning, answer)
	u.AudioAnswer = min(c.audioOut, answer-u.Reasoning)
	t.Usage = u
	used := u.Prompt > 0 || u.Completion > 0 // a usage of zero was not counted
	return used && u.Prompt <= maxCount && u.Completion <= maxCount
}

// parts are the tokens of prompt and answer, one of them derived from the total if
// missing, and the set of known ones.
func (c *counts) parts(as Counting, read, wrote int64) (prompt, answer int64, has words) {
	prompt, answer, has = c.input, c.answered, c.has
	if has&(saysInput|saysMiss) == saysMiss {
		prompt, has = read+c.miss, has|saysInput
	}
	switch {
	case as == CountsParts, c.apart(read + wrote):
		prompt += read + wrote
	case has&saysTotal == 0:
	case as == CountsPrompt:
		prompt, has = max(prompt, c.total), has|saysInput
	case has&(saysInput|saysOutput) == saysOutput:
		prompt, has = max(c.total-answer, 0), has|saysInput
	case has&(saysInput|saysOutput) == saysInput:
		answer, has = max(c.total-prompt, 0), has|saysOutput
	}
	return prompt, answer, has
}

// apart says whether the prompt excludes the cached tokens, as in the Messages API,
// though the API is another: the total shows it, or the cache exceeds the prompt.
func (c *counts) apart(cache int64) bool {
	if cache == 0 || c.has&saysInput == 0 {
		return false
	}
	if c.has&(saysTotal|saysOutput) == saysTotal|saysOutput {
		beyond := c.total - c.input - c.answered
		if beyond > 0 {
			return beyond != c.reasoning && (beyond == cache || beyond == cache+c.reasoning)
		}
	}
	return c.has&saysRead != 0 && cache > c.input
}

// complete says whether prompt and answer were reported. The Messages API reports them
// in two events of a stream.
func complete(as Counting, has words) bool {
	switch as {
	case CountsPrompt:
		return has&saysInput != 0
	case CountsParts:
		return has&(saysInput|saysOutput) != 0
	}
	return has&(saysInput|saysOutput) == saysInput|saysOutput
}
