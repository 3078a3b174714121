package upstream

import (
	"bytes"
	"time"

	"weir"
	"weir/jsonscan"
)

// Answer is what a whole answer that is not streamed holds. The zero value is
// one that is no JSON object: cut, empty, a proxy's page.
type Answer struct {
	Object bool // it is one JSON object
	Whole  bool // it has what its operation promises
	Parts  int  // choices, vectors, items of output, blocks of content
	Usage  weir.Usage
	Told   bool // it says its usage
}

// ReadAnswer says what an answer with a status of success holds. It is an
// answer when it has what its operation promises: choices with a message or a
// text; vectors; a message's content; a response's output. A member error that
// says something, the object "error", the status "failed" and the type "error"
// make it none, whatever stands beside them.
func ReadAnswer(op weir.Op, body []byte) Answer {
	s := jsonscan.At(body)
	if s.Peek() != '{' {
		return Answer{}
	}
	f := found{op: op}
	var p promise
	var tier weir.Tier
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch key := s.Key(); string(key) {
		case "usage", "usageMetadata":
			f.usageObject(&s)
		case "service_tier":
			f.tierOf(&s)
			tier = f.tier
		case "error":
			p.failed = fails(&s) || p.failed
		case "object":
			p.failed = string(s.Text()) == "error" || p.failed
		default:
			p.member(op, key, &s)
		}
	}
	if !s.Done() {
		return Answer{}
	}
	if tier != weir.StandardTier { // it may stand behind the usage
		f.usage.Tier = tier
	}
	return Answer{Object: true, Whole: p.kept(op), Parts: p.parts, Usage: f.usage, Told: f.hasUsage && f.whole()}
}

// promise is what was found of what an operation promises.
type promise struct {
	failed bool   // it says that it is an error
	parts  int    // choices, vectors, items of output, blocks of content
	broken bool   // one of them is none
	listed bool   // the list of them is there, perhaps empty
	status string // of a response; the reason a message stopped
}

func (p *promise) kept(op weir.Op) bool {
	if p.failed || p.broken {
		return false
	}
	switch op {
	case weir.OpResponses:
		switch p.status {
		case "failed":
			return false
		case "incomplete", "in_progress", "queued": // the last two: in the background
			return true
		}
		return p.parts > 0
	case weir.OpMessages: // one that ends its turn without a word has no block
		return p.listed && (p.parts > 0 || p.status != "")
	}
	return p.parts > 0
}

// member reads a member that is not of every API.
func (p *promise) member(op weir.Op, key []byte, s *jsonscan.Cursor) {
	switch {
	case string(key) == "choices" && (op == weir.OpChat || op == weir.OpCompletions):
		p.each(s, func() bool { return p.choice(op, s) })
	case string(key) == "data" && op == weir.OpEmbeddings:
		p.each(s, func() bool { return vector(s) })
	case string(key) == "output" && op == weir.OpResponses, string(key) == "content" && op == weir.OpMessages:
		p.each(s, func() bool { return says(s) })
	case string(key) == "status" && op == weir.OpResponses, string(key) == "stop_reason" && op == weir.OpMessages:
		p.status = string(s.Text())
	case string(key) == "type" && op == weir.OpMessages:
		p.failed = string(s.Text()) == "error" || p.failed
	default:
		s.Skip()
	}
}

// each reads a list of parts, of which part says whether one is what it must be.
func (p *promise) each(s *jsonscan.Cursor, part func() bool) {
	p.listed = s.Peek() == '['
	for first, in := true, s.Open('['); in && s.Next(']', first); first = false {
		p.parts++
		p.broken = !part() || p.broken
	}
}

// choice says whether a choice of chat or completions is an answer: a message or
// a text that says something, or is said to be complete. Azure leaves the
// message out where its filter let nothing through.
func (p *promise) choice(op weir.Op, s *jsonscan.Cursor) bool {
	var has, says bool
	var finish []byte
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "message":
			h, y := message(s)
			has, says = has || h && op == weir.OpChat, says || y
		case "text":
			has = has || op == weir.OpCompletions && s.Peek() == '"'
			says = s.HasContent() || says
		case "finish_reason":
			finish = reason(s)
		case "error":
			p.failed = fails(s) || p.failed
		default:
			s.Skip()
		}
	}
	if broke(finish) {
		p.failed = true
	}
	return has && (says || len(finish) > 0) || string(finish) == "content_filter"
}

// message says whether a message is there, and whether it says anything.
func message(s *jsonscan.Cursor) (is, says bool) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		is = true
		if string(s.Key()) == "role" {
			s.Skip()
		} else {
			says = s.HasContent() || says
		}
	}
	return is, says
}

// vector says whether a row of embeddings holds a vector: numbers, or base64.
func vector(s *jsonscan.Cursor) (is bool) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		if string(s.Key()) != "embedding" {
			s.Skip()
			continue
		}
		v := s.Raw()
		is = jsonscan.HasContent(v) && !(v[0] == '[' && bytes.IndexByte(v, 'n') >= 0) // null, where a number cannot be
	}
	return is
}

// broke says whether a finish_reason means that the server gave up: vLLM and
// SGLang say abort, OpenRouter and newer vLLM error.
func broke(finish []byte) bool { return string(finish) == "error" || string(finish) == "abort" }

// ReadAnswerFailure reads an answer that has a status of success and is none. Of
// an error the status it would have had is taken from its code, where it says
// one; whatever says nothing of itself is the upstream's fault.
func ReadAnswerFailure(op weir.Op, header func(name string) string, body []byte, now time.Time) Failure {
	f := parseFailure(body)
	f.Status = statusOfCode(f.Code)
	f.judge(op)
	f.readLimits(header, now)
	return f
}

// says skips the value and says whether it tells anything: not null, false or a
// number, and neither empty.
func says(s *jsonscan.Cursor) bool {
	if s.Peek() == 't' {
		s.Skip()
		return true
	}
	return s.HasContent()
}

// fails skips the value of a member error and says whether it tells of one. null,
// false, 0 and what is empty tell of none, nor does an object of such members.
func fails(s *jsonscan.Cursor) (fails bool) {
	if s.Peek() != '{' {
		return tells(s)
	}
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		s.Key()
		fails = tells(s) || fails
	}
	return fails
}

// tells is says of a value whose number tells something too, unless it is 0.
func tells(s *jsonscan.Cursor) bool {
	c := s.Peek()
	if c != '-' && (c < '0' || c > '9') {
		return says(s)
	}
	return bytes.ContainsAny(s.Raw(), "123456789")
}

// reason reads a finish_reason: a word or, of an older SGLang, an object whose
// type is the word.
func reason(s *jsonscan.Cursor) (word []byte) {
	if s.Peek() != '{' {
		return s.Text()
	}
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		if string(s.Key()) == "type" {
			word = s.Text()
		} else {
			s.Skip()
		}
	}
	return word
}
