package cache

import (
	"bytes"
	"strconv"

	"weir"
	"weir/jsonscan"
)

// mark is a part of a stored answer that is another in each replay.
type mark struct {
	from, to int // with the quotes of a string
	kind     markKind
}

type markKind uint8

const (
	anID markKind = iota
	aTime
	aModel
)

// maxMarks bounds the marks of one answer: its own, and the IDs of its items.
const maxMarks = 64

// marksOf finds the members that name this answer: its ID, its time, its model and, of a
// Responses API answer, its items' IDs.
func marksOf(body []byte) (marks []mark) {
	s := jsonscan.Scanner{B: body}
	item := func(v jsonscan.Span) error {
		if body[v.From] != '{' {
			return nil
		}
		_, err := s.Members(v.From, func(key []byte, v jsonscan.Span) error {
			if string(key) == "id" && body[v.From] == '"' && len(marks) < maxMarks {
				marks = append(marks, mark{v.From, v.To, anID})
			}
			return nil
		})
		return err
	}
	s.Members(0, func(key []byte, v jsonscan.Span) error {
		text := body[v.From] == '"'
		switch k := string(key); {
		case k == "id" && text:
			marks = append(marks, mark{v.From, v.To, anID})
		case k == "model" && text:
			marks = append(marks, mark{v.From, v.To, aModel})
		case (k == "created" || k == "created_at" || k == "completed_at") && body[v.From] >= '0' && body[v.From] <= '9':
			marks = append(marks, mark{v.From, v.To, aTime})
		case k == "output" && body[v.From] == '[':
			return s.Elements(v, item)
		}
		return nil
	})
	return marks
}

// Replay is how an answer is told again.
type Replay struct {
	Model  string // as this caller wrote it; "": as it is
	Now    weir.Instant
	Random uint64 // another for each replay
	KeepID bool   // its server knows the ID
}

// Append appends the answer with a new ID, time and model's name.
func (r *Replay) Append(dst []byte, e *Entry) []byte {
	at, random := 0, r.Random
	for _, m := range e.marks {
		dst = append(dst, e.Body[at:m.from]...)
		at = m.to
		old := e.Body[m.from:m.to]
		switch {
		case m.kind == aTime:
			dst = strconv.AppendInt(dst, r.Now.Time().Unix(), 10)
		case m.kind == aModel && r.Model != "":
			dst = appendQuoted(dst, []byte(r.Model))
		case m.kind == anID && !r.KeepID:
			dst = appendID(dst, old, &random)
		default:
			dst = append(dst, old...)
		}
	}
	return append(dst, e.Body[at:]...)
}

const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// appendID appends an ID of the same form: what is before its first - or _ stays, as do
// further ones, and what has only hexadecimal digits gets only these.
func appendID(dst, old []byte, random *uint64) []byte {
	from := 1 + bytes.IndexAny(old, "-_")
	dst = append(dst, old[:max(from, 1)]...)
	from = max(from, 1)
	n := uint64(16)
	for _, c := range old[from : len(old)-1] {
		if c > 'f' || c >= 'A' && c <= 'Z' {
			n = uint64(len(letters))
		}
	}
	for _, c := range old[from : len(old)-1] {
		if c == '-' || c == '_' || c == '\\' || c >= 0x80 {
			dst = append(dst, '-')
			continue
		}
		*random = *random*6364136223846793005 + 1442695040888963407 // Knuth, MMIX
		dst = append(dst, letters[(*random>>33)%n])
	}
	return append(dst, '"')
}
