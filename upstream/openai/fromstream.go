package openai

import (
	"strconv"

	"weir/jsonscan"
	"weir/upstream"
)

// joined is a choice of a stream's chunks.
type joined struct {
	rest     jsonscan.Object // its members, the last value of each
	says     upstream.Merge  // delta, or text
	logprobs upstream.Merge
	some     bool // it has log-probabilities
}

// maxChoices bounds the choices of one answer.
const maxChoices = 1 << 10

// FromStream puts the choices together: deltas are merged, texts joined, log-probabilities
// appended. Of a chunk's other members the first value counts, and of its usage the last.
func (f completions) FromStream(events [][]byte) []byte {
	var answer jsonscan.Object
	var choices []*joined
	for _, raw := range events {
		chunk := jsonscan.ObjectOf(raw)
		for _, m := range chunk {
			switch {
			case m.Key == "choices":
				for _, raw := range jsonscan.Elements(m.Value) {
					if choices = f.join(choices, jsonscan.ObjectOf(raw)); choices == nil {
						return nil
					}
				}
			case m.Key == "obfuscation": // padding
			case m.Key == "object" && f.chat:
				answer = answer.With("object", `"chat.completion"`)
			case answer.Get(m.Key) == nil, m.Key == "usage" && m.Value[0] != 'n', string(answer.Get(m.Key)) == "null":
				answer = answer.With(m.Key, string(m.Value))
			}
		}
	}
	list := make([]jsonscan.Object, 0, len(choices))
	for i, j := range choices {
		if j == nil {
			return nil
		}
		list = append(list, f.choiceOf(i, j))
	}
	used := answer.Get("usage")
	answer = answer.Without("usage", "choices").With("choices", jsonscan.List(list...))
	if used != nil {
		answer = answer.With("usage", string(used))
	}
	return answer.Append(nil)
}

// join adds a chunk's choice; nil if it does not fit.
func (f completions) join(choices []*joined, c jsonscan.Object) []*joined {
	n := 0
	if at := c.Get("index"); at != nil {
		var err error
		if n, err = strconv.Atoi(string(at)); err != nil || n < 0 || n >= maxChoices {
			return nil
		}
	}
	for len(choices) <= n {
		choices = append(choices, nil)
	}
	if choices[n] == nil {
		choices[n] = &joined{}
	}
	j := choices[n]
	for _, m := range c {
		switch {
		case m.Key == "index":
		case m.Key == "delta" && f.chat && m.Value[0] == '{':
			if !j.says.Add(m.Value) {
				return nil
			}
		case m.Key == "text" && !f.chat:
			if !j.says.Add(jsonscan.Object{}.With("text", string(m.Value)).Append(nil)) {
				return nil
			}
		case m.Key == "logprobs" && m.Value[0] == '{':
			if j.some = true; !j.logprobs.Add(m.Value) {
				return nil
			}
		case m.Value[0] != 'n' || j.rest.Get(m.Key) == nil:
			j.rest = j.rest.With(m.Key, string(m.Value))
		}
	}
	return choices
}

func (f completions) choiceOf(i int, j *joined) jsonscan.Object {
	c := jsonscan.Object{}.With("index", strconv.Itoa(i))
	says := j.says.Append(nil)
	if f.chat {
		m := jsonscan.ObjectOf(says)
		if m.Get("role") == nil {
			m = append(jsonscan.Object{{Key: "role", Value: []byte(`"assistant"`)}}, m...)
		}
		if m.Get("content") == nil {
			m = m.With("content", "null")
		}
		c = c.With("message", m.String())
	} else {
		c = append(c, jsonscan.ObjectOf(says)...)
	}
	if j.some {
		c = c.With("logprobs", string(j.logprobs.Append(nil)))
	}
	for _, m := range j.rest {
		if m.Key != "logprobs" || !j.some {
			c = c.With(m.Key, string(m.Value))
		}
	}
	return c
}

// FromStream takes the answer from the last event, which has it whole.
func (responses) FromStream(events [][]byte) []byte {
	last := jsonscan.ObjectOf(events[len(events)-1])
	return last.Get("response")
}
