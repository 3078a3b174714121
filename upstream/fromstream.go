package upstream

import (
	"bytes"
	"io"

	"weir/sse"
)

// FromStream converts a stream that has come to its true end into the answer that would
// have come without one. It is nil if an event has something of which FromStream cannot
// tell where it belongs: it never leaves anything out.
func (o *Operation) FromStream(stream []byte) []byte {
	var events [][]byte
	in := sse.New(&text{left: stream})
	for {
		e, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil
		}
		if data := bytes.TrimSpace(e.Data); len(data) > 0 && string(data) != "[DONE]" {
			events = append(events, bytes.Clone(data))
		}
	}
	if len(events) == 0 {
		return nil
	}
	body := o.Format.FromStream(events)
	if body == nil || !o.Format.Answer(body).Whole {
		return nil
	}
	return body
}

// text is a source that is in memory.
type text struct{ left []byte }

func (t *text) Next() ([]byte, error) {
	if len(t.left) == 0 {
		return nil, io.EOF
	}
	return t.More(), nil
}

func (t *text) More() []byte {
	b := t.left
	t.left = nil
	return b
}

func (t *text) Refuse(reason error) error { return reason }
