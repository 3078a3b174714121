package anthropic

import (
	"strconv"

	"weir/jsonscan"
	"weir/upstream"
)

// FromStream puts the message together from its beginning, its blocks and its end.
func (messages) FromStream(events [][]byte) []byte {
	var message, used jsonscan.Object
	var blocks []*joined
	for _, raw := range events {
		e := jsonscan.ObjectOf(raw)
		n, err := strconv.Atoi(string(e.Get("index")))
		inside := err == nil && n >= 0 && n < len(blocks)
		switch jsonscan.TextOf(e.Get("type")) {
		case "message_start":
			message = jsonscan.ObjectOf(e.Get("message"))
			used = jsonscan.ObjectOf(message.Get("usage"))
		case "content_block_start":
			if err != nil || n != len(blocks) {
				return nil
			}
			blocks = append(blocks, &joined{block: jsonscan.ObjectOf(e.Get("content_block"))})
		case "content_block_delta":
			if !inside || !blocks[n].add(jsonscan.ObjectOf(e.Get("delta"))) {
				return nil
			}
		case "message_delta":
			for _, m := range jsonscan.ObjectOf(e.Get("delta")) {
				message = message.With(m.Key, string(m.Value))
			}
			for _, m := range jsonscan.ObjectOf(e.Get("usage")) {
				used = used.With(m.Key, string(m.Value))
			}
		case "content_block_stop", "message_stop", "ping":
		default:
			return nil
		}
	}
	if message == nil {
		return nil
	}
	list := make([]jsonscan.Object, 0, len(blocks))
	for _, b := range blocks {
		list = append(list, b.whole())
	}
	message = message.With("content", jsonscan.List(list...))
	if used != nil {
		message = message.With("usage", used.String())
	}
	return message.Append(nil)
}

// joined is a content block with its deltas.
type joined struct {
	block     jsonscan.Object
	says      upstream.Merge
	citations []jsonscan.Object
	signature string
}

// add adds a delta; false if its kind is unknown.
func (j *joined) add(d jsonscan.Object) bool {
	member := ""
	switch jsonscan.TextOf(d.Get("type")) {
	case "text_delta":
		member = "text"
	case "thinking_delta":
		member = "thinking"
	case "input_json_delta":
		member = "partial_json"
	case "signature_delta":
		j.signature = string(d.Get("signature"))
		return true
	case "citations_delta":
		j.citations = append(j.citations, jsonscan.ObjectOf(d.Get("citation")))
		return true
	default:
		return false
	}
	v := d.Get(member)
	return v != nil && v[0] == '"' && j.says.Add(jsonscan.Object{}.With(member, string(v)).Append(nil))
}

func (j *joined) whole() jsonscan.Object {
	b := j.block
	for _, m := range jsonscan.ObjectOf(j.says.Append(nil)) {
		switch {
		case m.Key != "partial_json":
			b = b.With(m.Key, string(m.Value))
		case len(m.Value) > len(`""`):
			b = b.With("input", jsonscan.TextOf(m.Value))
		}
	}
	if j.signature != "" {
		b = b.With("signature", j.signature)
	}
	if j.citations != nil {
		b = b.With("citations", jsonscan.List(j.citations...))
	}
	return b
}
