package upstream

import (
	"weir"
	"weir/jsonscan"
)

// Whole is a walk over an answer that came whole. It reads the members common to all
// APIs; a format reads the rest. The zero value has read nothing.
type Whole struct {
	jsonscan.Cursor
	Parts  int  // in the list of choices, vectors, items of output, blocks of content
	Listed bool // the list is present, perhaps empty
	Failed bool // the answer says that it is an error

	broken bool // a part is invalid
	object bool
	tally  Tally
	tier   weir.Tier
}

// Read walks over an answer. member reads or skips the value of each member that is not
// common to all APIs. A body with an error that has content, or with "object":"error",
// is not an answer, whatever else it has.
func (w *Whole) Read(body []byte, as Counting, member func(key []byte)) {
	w.Cursor, w.tally.Counting = jsonscan.At(body), as
	if w.Peek() != '{' {
		return
	}
	for first, in := true, w.Open('{'); in && w.Next('}', first); first = false {
		switch key := w.Key(); string(key) {
		case "usage", "usageMetadata":
			w.tally.Read(&w.Cursor)
		case "service_tier":
			w.tier = w.tally.ReadTier(&w.Cursor)
		case "error":
			w.Failed = Fails(&w.Cursor) || w.Failed
		case "object":
			w.Failed = string(w.Text()) == "error" || w.Failed
		default:
			member(key)
		}
	}
	w.object = w.Done()
}

// Each reads a list of parts; part says whether one is valid.
func (w *Whole) Each(part func() bool) {
	w.Listed = w.Peek() == '['
	for first, in := true, w.Open('['); in && w.Next(']', first); first = false {
		w.Parts++
		w.broken = !part() || w.broken
	}
}

// Is returns the answer that was read. kept says that it has everything its operation
// promises, unless it contains an error.
func (w *Whole) Is(kept bool) Answer {
	if !w.object {
		return Answer{}
	}
	t := &w.tally
	if w.tier != weir.StandardTier { // it may come after the usage
		t.Usage.Tier = w.tier
	}
	return Answer{Object: true, Whole: kept && !w.Failed && !w.broken, Parts: w.Parts, Usage: t.Usage, HasUsage: t.Has && t.Whole()}
}

// TypeOf reads the type of an event, or returns was if it is not a string.
func TypeOf(s *jsonscan.Cursor, was []byte) []byte {
	if s.Peek() == '"' {
		return s.Text()
	}
	s.Skip()
	return was
}
