package cheaper

import (
	"encoding/json"
	"math"
	"strings"

	"weir"
	"weir/jsonscan"
)

// Cascade says which answers of the small model are good enough.
type Cascade struct {
	// MinConfidence is the least geometric mean of an answer's token probabilities, 0 to 1.
	// 0: probabilities are not asked for. Only chat has them.
	MinConfidence float64
	// Phrases are beginnings of answers that count as refusals, compared without case.
	Phrases []string
}

// Reason is why an answer is not accepted; "": it is.
type Reason string

const (
	Failed  Reason = "failed"  // no whole answer came
	Late    Reason = "late"    // none came in time
	Cut     Reason = "cut"     // the answer ends at a bound of its length
	Refused Reason = "refused" // the model, or a filter of its provider, declined
	Schema  Reason = "schema"  // it is not in the form that the request demands
	Unsure  Reason = "unsure"  // its probabilities are below MinConfidence, or not told
)

// Asks says whether requests of an operation can be judged by all that c demands.
func (c *Cascade) Asks(op weir.Op) bool {
	return Reads(op) && (c.MinConfidence == 0 || op == weir.OpChat)
}

// Judge says why the answer to a request cannot be given to its caller; "": it can.
func (c *Cascade) Judge(op weir.Op, request, answer []byte) Reason {
	parts, ok := partsOf(op, answer)
	if !ok {
		return Failed
	}
	f := formOf(op, request)
	for i := range parts {
		p := &parts[i]
		switch {
		case p.cut:
			return Cut
		case p.refused || c.declines(p.text):
			return Refused
		case p.text == "" && len(p.calls) == 0:
			return Failed
		case !f.holds(p):
			return Schema
		case c.MinConfidence > 0 && p.confidence() < c.MinConfidence:
			return Unsure
		}
	}
	return ""
}

func (c *Cascade) declines(text string) bool {
	text = strings.TrimSpace(text)
	for _, p := range c.Phrases {
		if len(text) >= len(p) && strings.EqualFold(text[:len(p)], p) {
			return true
		}
	}
	return false
}

// confidence is the geometric mean of the tokens' probabilities; 0: none are told.
func (p *part) confidence() float64 {
	if len(p.logs) == 0 {
		return 0
	}
	sum := 0.0
	for _, l := range p.logs {
		sum += l
	}
	return math.Exp(sum / float64(len(p.logs)))
}

// Ask is the request for the small model: the caller's and, if c needs them, the
// probabilities of the tokens. added says that the caller did not ask for those. body is
// one JSON object; it is not changed.
func (c *Cascade) Ask(body []byte) (ask []byte, added bool) {
	if c.MinConfidence == 0 {
		return body, false
	}
	var at jsonscan.Span
	s := jsonscan.Scanner{B: body}
	if _, err := s.Members(0, func(key []byte, v jsonscan.Span) error {
		if string(jsonscan.Unescaped(key)) == "logprobs" {
			at = v
		}
		return nil
	}); err != nil {
		return body, false
	}
	if !at.Absent() {
		if string(body[at.From:at.To]) == "true" {
			return body, false
		}
		return replaced(body, at, "true"), true
	}
	open := s.Space(0) + 1
	member := `"logprobs":true,`
	if body[s.Space(open)] == '}' {
		member = `"logprobs":true`
	}
	return replaced(body, jsonscan.Span{From: open, To: open}, member), true
}

// Hide takes the probabilities out of a chat answer whose caller did not ask for them.
func Hide(answer []byte) []byte {
	var found []jsonscan.Span
	s := jsonscan.Scanner{B: answer}
	choice := func(key []byte, v jsonscan.Span) error {
		if string(jsonscan.Unescaped(key)) == "logprobs" {
			found = append(found, v)
		}
		return nil
	}
	s.Members(0, func(key []byte, v jsonscan.Span) error {
		if string(jsonscan.Unescaped(key)) != "choices" || answer[v.From] != '[' {
			return nil
		}
		return s.Elements(v, func(e jsonscan.Span) error {
			if answer[e.From] != '{' {
				return nil
			}
			_, err := s.Members(e.From, choice)
			return err
		})
	})
	for i := len(found) - 1; i >= 0; i-- {
		answer = replaced(answer, found[i], "null")
	}
	return answer
}

func replaced(b []byte, at jsonscan.Span, by string) []byte {
	out := make([]byte, 0, len(b)+len(by))
	out = append(append(out, b[:at.From]...), by...)
	return append(out, b[at.To:]...)
}

// part is one of the answers to a request.
type part struct {
	text    string
	calls   []toolCall
	refused bool
	cut     bool
	logs    []float64
}

type toolCall struct {
	name      string
	arguments json.RawMessage // as a JSON value
}
