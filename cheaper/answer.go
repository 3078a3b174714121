package cheaper

import (
	"encoding/json"

	"weir"
)

// partsOf reads an answer: false if there is none that can be judged.
func partsOf(op weir.Op, answer []byte) ([]part, bool) {
	if op == weir.OpMessages {
		return messageParts(answer)
	}
	if !Reads(op) {
		return nil, false
	}
	return choiceParts(answer)
}

type choice struct {
	Text    string
	Message struct {
		Content string
		Refusal string
		Calls   []struct {
			Function struct{ Name, Arguments string }
		} `json:"tool_calls"`
	}
	Finish   string `json:"finish_reason"`
	Logprobs struct {
		Content []struct{ Logprob float64 }
	}
}

// choiceParts reads the answers of chat and completions (OpenAI, API reference, 2026).
func choiceParts(answer []byte) ([]part, bool) {
	var a struct{ Choices []choice }
	if json.Unmarshal(answer, &a) != nil || len(a.Choices) == 0 {
		return nil, false
	}
	parts := make([]part, len(a.Choices))
	for i := range a.Choices {
		c, p := &a.Choices[i], &parts[i]
		p.text = c.Message.Content + c.Text
		p.refused = c.Message.Refusal != "" || c.Finish == "content_filter"
		p.cut = c.Finish != "content_filter" && c.Finish != "stop" && c.Finish != "tool_calls" && c.Finish != "function_call"
		for _, t := range c.Message.Calls {
			p.calls = append(p.calls, toolCall{t.Function.Name, json.RawMessage(t.Function.Arguments)})
		}
		for _, l := range c.Logprobs.Content {
			p.logs = append(p.logs, l.Logprob)
		}
	}
	return parts, true
}

// messageParts reads an answer of the Messages API (Anthropic, API reference, 2026).
func messageParts(answer []byte) ([]part, bool) {
	var a struct {
		Content []struct {
			Type, Text, Name string
			Input            json.RawMessage
		}
		Stop string `json:"stop_reason"`
	}
	if json.Unmarshal(answer, &a) != nil || len(a.Content) == 0 && a.Stop != "refusal" {
		return nil, false
	}
	var p part
	for _, b := range a.Content {
		switch b.Type {
		case "text":
			p.text += b.Text
		case "tool_use":
			p.calls = append(p.calls, toolCall{b.Name, b.Input})
		}
	}
	p.refused = a.Stop == "refusal"
	p.cut = !p.refused && a.Stop != "end_turn" && a.Stop != "stop_sequence" && a.Stop != "tool_use"
	return []part{p}, true
}
