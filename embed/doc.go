// Package embed splits a request for embeddings into its items, so that each vector is
// stored by the content it was made of and only the missing ones are asked for.
//
// It owns what two items must have in common to share a vector, the shorter request, and
// the answer put together of stored and new vectors. It refuses to know where vectors are
// kept, who asks, and what an upstream is. Nothing is rounded but to 32-bit floats, in
// which every known model computes; both of OpenAI's encodings share one vector.
package embed

import (
	"bytes"
	"strconv"

	"weir/cache"
	"weir/jsonscan"
)

// MaxItems bounds the items of one request. OpenAI takes 2,048.
const MaxItems = 4096

// Vector is what one item's text became.
type Vector struct {
	Data   []byte // 32-bit floats, little-endian: OpenAI's base64 encoding is of these bytes
	Tokens int64  // its share of the tokens that its request was billed
}

// Request is one request's items. Its memory is reused.
type Request struct {
	Items  [][]byte    // raw JSON; valid as long as the body
	Keys   []cache.Key // of each item
	Base64 bool        // the caller wants OpenAI's base64 encoding

	input    jsonscan.Span
	body     []byte
	canon    cache.Body
	rest     []byte
	scratch  []byte
	encoding []byte
}

// Read finds the items of a valid JSON body and their keys within a scope. It returns why
// there can be none: "" if there are.
func (r *Request) Read(body []byte, scope *cache.Scope) cache.Reason {
	r.Items, r.Keys, r.Base64, r.body = r.Items[:0], r.Keys[:0], false, body
	if why := r.members(body); why != "" {
		return why
	}
	switch string(r.encoding) {
	case `"base64"`:
		r.Base64 = true
	case "", "null", `"float"`:
	default:
		return cache.Operation // another encoding than a vector of floats
	}
	if why := r.split(body[r.input.From:r.input.To]); why != "" {
		return why
	}
	if why := r.canon.Read(r.rest, false); why != "" {
		return why
	}
	base := len(r.canon.Canonical)
	for _, item := range r.Items {
		text, why := r.canonical(append(r.scratch[:0], r.canon.Canonical[:base]...), item)
		if why != "" {
			return why
		}
		r.scratch = text
		r.Keys = append(r.Keys, cache.KeyOf(scope, text))
	}
	return ""
}

// members separates the input and its encoding from the rest, which is part of every key:
// a member that nothing here knows makes other vectors.
func (r *Request) members(body []byte) cache.Reason {
	in := jsonscan.At(body)
	r.rest, r.encoding, r.input = append(r.rest[:0], '{'), nil, jsonscan.Span{}
	inputs := 0
	for first, ok := true, in.Open('{'); ok && in.Next('}', first); first = false {
		name := in.RawKey()
		if bytes.IndexByte(name, '\\') >= 0 {
			return cache.Unreadable
		}
		value := in.Raw()
		switch string(name) {
		case "input":
			inputs++
			at := cap(body) - cap(value) // value is a part of body
			r.input = jsonscan.Span{From: at, To: at + len(value)}
		case "encoding_format":
			if r.encoding != nil {
				return cache.Duplicate
			}
			r.encoding = value
		default:
			if len(r.rest) > 1 {
				r.rest = append(r.rest, ',')
			}
			r.rest = append(append(append(append(r.rest, '"'), name...), `":`...), value...)
		}
	}
	r.rest = append(r.rest, '}')
	if !in.Done() || inputs != 1 {
		return cache.Unreadable
	}
	return ""
}

// split lists the items of an input: a text, tokens, or a list of either.
func (r *Request) split(input []byte) cache.Reason {
	if len(input) == 0 || input[0] != '[' {
		r.Items = append(r.Items, input)
		return ""
	}
	in := jsonscan.At(input)
	for first, ok := true, in.Open('['); ok && in.Next(']', first); first = false {
		item := in.Raw()
		if len(item) > 0 && item[0] != '"' && item[0] != '[' {
			r.Items = append(r.Items[:0], input) // tokens
			return ""
		}
		if len(r.Items) == MaxItems {
			return cache.Operation
		}
		r.Items = append(r.Items, item)
	}
	if len(r.Items) == 0 {
		return cache.Unreadable
	}
	return ""
}

// itemVersion changes when the same item would get another key: then vectors of older
// releases are not found.
const itemVersion = "\x00item1"

// canonical appends an item so that no two different ones are alike.
func (r *Request) canonical(dst, item []byte) ([]byte, cache.Reason) {
	dst = append(dst, itemVersion...)
	switch {
	case len(item) > 1 && item[0] == '"':
		dst = append(dst, 't')
		from := len(dst)
		dst = jsonscan.AppendUnescaped(dst, item[1:len(item)-1])
		if bytes.Contains(dst[from:], replacement) {
			return dst, cache.Unreadable // half of a surrogate pair, which servers read differently
		}
		return dst, ""
	case len(item) > 1 && item[0] == '[':
		return appendTokens(append(dst, 'n'), item)
	}
	return dst, cache.Unreadable
}

var replacement = []byte("\uFFFD")

// appendTokens appends a list of token numbers without its spaces.
func appendTokens(dst, item []byte) ([]byte, cache.Reason) {
	in := jsonscan.At(item)
	for first, ok := true, in.Open('['); ok && in.Next(']', first); first = false {
		n, err := strconv.ParseUint(string(in.Raw()), 10, 32)
		if err != nil {
			return dst, cache.Number
		}
		dst = append(strconv.AppendUint(dst, n, 10), ',')
	}
	return dst, ""
}

// Without appends the body with only these items, in this order.
func (r *Request) Without(dst []byte, items []int) []byte {
	dst = append(append(dst, r.body[:r.input.From]...), '[')
	for n, i := range items {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, r.Items[i]...)
	}
	return append(append(dst, ']'), r.body[r.input.To:]...)
}

// Size is what an item counts when the tokens of several are shared out.
func (r *Request) Size(i int) int { return len(r.Items[i]) }
