package emulate

import "encoding/json"

// maxChoices is the most answers of one request, as at OpenAI. Their tokens
// come side by side, as in a batch, and cost the replica the time of one.
const maxChoices = 128

// of is the answer of one choice: each has its own words; exact answers are the
// same in all.
func (c *call) of(choice int) *answer {
	if choice == 0 || c.answer.fixed != nil {
		return &c.answer
	}
	a := c.answer
	a.hash = mix(a.hash + uint64(choice))
	return &a
}

// logprob is made up: between -1 and 0, the same for the same token.
func logprob(hash uint64, i int) float64 { return -float64(mix(hash+uint64(i))%1000) / 1000 }

// chatLogprobs are the log probabilities of tokens [from, to) in chat format;
// null unless asked for.
func (c *call) chatLogprobs(choice, from, to int) string {
	if !c.logprobs || c.answer.tool != "" {
		return "null"
	}
	a, content := c.of(choice), []any{}
	for i := from; i < to; i++ {
		piece := a.piece(i)
		bytes := make([]int, len(piece))
		for j := range bytes {
			bytes[j] = int(piece[j])
		}
		content = append(content, fields{"token": piece, "logprob": logprob(a.hash, i), "bytes": bytes, "top_logprobs": []any{}})
	}
	return string(mustJSON(fields{"content": content, "refusal": nil}))
}

// textLogprobs are the log probabilities of a completion.
func (c *call) textLogprobs(choice, from, to int) string {
	if !c.logprobs {
		return "null"
	}
	a, at := c.of(choice), 0
	for i := range from {
		at += len(a.piece(i))
	}
	tokens, probs, offsets := []string{}, []float64{}, []int{}
	for i := from; i < to; i++ {
		tokens, probs, offsets = append(tokens, a.piece(i)), append(probs, logprob(a.hash, i)), append(offsets, at)
		at += len(a.piece(i))
	}
	b, _ := json.Marshal(fields{"tokens": tokens, "token_logprobs": probs, "text_offset": offsets, "top_logprobs": nil})
	return string(b)
}
