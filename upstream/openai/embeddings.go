package openai

import (
	"bytes"

	"weir/jsonscan"
	"weir/upstream"
)

// embeddings is the format of embeddings, which do not stream.
type embeddings struct{}

func (embeddings) Event(s *upstream.Stream, name []byte) upstream.Meaning {
	s.Counting = upstream.CountsPrompt
	return completions{}.Event(s, name)
}

func (embeddings) Answer(body []byte) upstream.Answer {
	var w upstream.Whole
	w.Read(body, upstream.CountsPrompt, func(key []byte) {
		if string(key) == "data" {
			w.Each(func() bool { return vector(&w.Cursor) })
			return
		}
		w.Skip()
	})
	return w.Is(w.Parts > 0)
}

// vector says whether a row has a vector: numbers, or base64.
func vector(s *jsonscan.Cursor) (is bool) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		if string(s.Key()) != "embedding" {
			s.Skip()
			continue
		}
		v := s.Raw()
		is = jsonscan.HasContent(v) && !(v[0] == '[' && bytes.IndexByte(v, 'n') >= 0) // a list with a null is no vector
	}
	return is
}

func (embeddings) Text(dst, data []byte) []byte          { return upstream.AppendNamed(dst, data) }
func (embeddings) AsStream(jsonscan.Object, bool) []byte { return nil }
func (embeddings) FromStream([][]byte) []byte            { return nil }
