package cache

import (
	"bytes"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"weir/jsonscan"
)

// Body is what one walk over a request body has found. Its memory is reused: make one per
// caller, or keep them in a pool.
type Body struct {
	// Canonical is the body by RFC 8785, without the members that do not change the
	// answer, and with its texts normalised if that was asked for. Valid until the next
	// Read.
	Canonical []byte
	Facts     Facts

	in        jsonscan.Cursor
	normalise bool
	fields    []field
	moved     []byte
	text      []byte
	why       Reason
}

// Facts are the members of a body on which the rules depend.
type Facts struct {
	Temperature bool // it is above 0, or absent where the models' default is above 0
	Tools       bool // it offers tools, functions or connectors
	Stored      bool // the answer is kept by its server: store is true or absent
	Continues   bool // it continues or references what a server keeps
	Background  bool
	Audio       bool // it asks for sound
}

// ignored are the members at the top of a body that do not change the answer.
var ignored = map[string]bool{
	"stream": true, "stream_options": true, "user": true, "metadata": true, "service_tier": true,
	"safety_identifier": true, "prompt_cache_key": true, "prompt_cache_retention": true, "timeout": true,
	"background": true,
	// The model that serves is in the key by its own name, so aliases share.
	"model": true,
}

// place says what a value is, for the normalisation.
type place uint8

const (
	plain    place = iota // as it is
	top                   // the body
	messages              // a list of messages or items, a list of texts, or one text
	texts                 // one text, a list of texts, or a list of parts
	message               // a message or item
	part                  // a part of a message
	natural               // a text for people
)

// field is a member of an object that is being read: where its name and the whole member
// are in Canonical.
type field struct {
	name, after, end int
	escaped          bool // the name has escapes or letters beyond ASCII
}

// Read walks over a valid JSON object. It returns why there can be no key for it: "" if
// there is one.
func (b *Body) Read(body []byte, normalise bool) Reason {
	b.Canonical, b.fields, b.why = b.Canonical[:0], b.fields[:0], ""
	b.Facts = Facts{Temperature: true, Stored: true}
	b.in, b.normalise = jsonscan.At(body), normalise
	if b.in.Peek() != '{' {
		return Unreadable
	}
	b.object(top)
	if b.why == "" && !b.in.Done() {
		b.why = Unreadable
	}
	return b.why
}

// value copies the next value in canonical form.
func (b *Body) value(at place) {
	switch c := b.in.Peek(); c {
	case '{':
		b.object(inList(at))
	case '[':
		b.list(at)
	case '"':
		b.str(b.in.Text(), at == natural || at == messages || at == texts)
	case 't', 'f', 'n':
		b.Canonical = append(b.Canonical, b.in.Raw()...)
	default:
		raw := b.in.Raw()
		if len(raw) == 0 {
			b.fail(Unreadable)
			return
		}
		var ok bool
		if b.Canonical, ok = appendNumber(b.Canonical, raw); !ok {
			b.fail(Number)
		}
	}
}

// inList is the place of an object in a list at a place.
func inList(at place) place {
	switch at {
	case messages:
		return message
	case texts:
		return part
	}
	return at
}

func (b *Body) fail(why Reason) {
	if b.why == "" {
		b.why = why
	}
}

func (b *Body) list(at place) {
	b.Canonical = append(b.Canonical, '[')
	n := 0
	for first, in := true, b.in.Open('['); in && b.in.Next(']', first); first = false {
		b.value(at)
		b.Canonical = append(b.Canonical, ',')
		n++
	}
	b.closeWith(']', n)
}

// closeWith puts the bracket in the place of the last comma.
func (b *Body) closeWith(bracket byte, n int) {
	if n == 0 {
		b.Canonical = append(b.Canonical, bracket)
		return
	}
	b.Canonical[len(b.Canonical)-1] = bracket
}

func (b *Body) object(at place) {
	start, base := len(b.Canonical)+1, len(b.fields)
	b.Canonical = append(b.Canonical, '{')
	tool := at == message && b.normalise && ofTool(b.in)
	alone := at == message // it has nothing but an id
	sorted := true
	for first, in := true, b.in.Open('{'); in && b.in.Next('}', first); first = false {
		raw := b.in.RawKey()
		f := field{name: len(b.Canonical)}
		b.str(raw, false)
		f.escaped = bytes.IndexByte(raw, '\\') >= 0 || !ascii(raw)
		name := jsonscan.Unescaped(raw)
		if at == top {
			b.see(name)
		}
		if at == top && ignored[string(name)] {
			b.Canonical = b.Canonical[:f.name]
			b.in.Skip()
			continue
		}
		alone = alone && b.onlyNames(name)
		f.after = len(b.Canonical)
		b.Canonical = append(b.Canonical, ':')
		within := placeOf(at, name)
		if tool {
			within = plain
		}
		b.value(within)
		b.Canonical = append(b.Canonical, ',')
		f.end = len(b.Canonical)
		if n := len(b.fields); n > base && sorted {
			sorted = b.compare(b.fields[n-1], f) < 0
		}
		b.fields = append(b.fields, f)
	}
	if !sorted {
		b.sort(start, b.fields[base:])
	}
	n := len(b.fields) - base
	b.closeWith('}', n)
	b.fields = b.fields[:base]
	b.Facts.Continues = b.Facts.Continues || alone && n > 0
}

// onlyNames says whether the next member of an item leaves it open that the item is only a
// reference to one that a server keeps.
func (b *Body) onlyNames(name []byte) bool {
	switch string(name) {
	case "id":
		return true
	case "type":
		in := b.in
		word := in.Text()
		return word == nil || string(word) == "item_reference"
	}
	return b.in.Peek() == 'n'
}

// placeOf is the place of a member's value.
func placeOf(at place, name []byte) place {
	switch at {
	case top:
		switch string(name) {
		case "messages", "input":
			return messages
		case "system", "instructions": // a raw prompt is continued from its last space
			return texts
		}
	case message:
		if string(name) == "content" {
			return texts
		}
	case part:
		if string(name) == "text" {
			return natural
		}
	}
	return plain
}

// ofTool says whether a message is what a tool has returned, or a call of one: its texts
// are data.
func ofTool(in jsonscan.Cursor) bool {
	for first, open := true, in.Open('{'); open && in.Next('}', first); first = false {
		name := string(in.Key())
		switch {
		case name == "role":
			switch string(in.Text()) {
			case "tool", "function":
				return true
			}
			return false
		case name == "type" && in.Peek() == '"':
			switch string(in.Text()) {
			case "message":
			default:
				return true
			}
		default:
			in.Skip()
		}
	}
	return false
}

// see notes what the rules need of a member at the top. Its value comes next.
func (b *Body) see(name []byte) {
	f, in := &b.Facts, b.in
	switch string(name) {
	case "temperature":
		raw := in.Raw()
		zero := len(bytes.Trim(raw, "-0.eE+")) == 0 && len(raw) > 0
		f.Temperature = !zero
	case "tools", "functions", "mcp_servers", "web_search_options", "container":
		f.Tools = f.Tools || jsonscan.HasContent(in.Raw())
	case "store":
		f.Stored = in.Peek() != 'f'
	case "background":
		f.Background = in.Peek() == 't'
	case "previous_response_id", "conversation":
		f.Continues = f.Continues || jsonscan.HasContent(in.Raw())
	case "prompt": // as an object it names one that the server keeps
		f.Continues = f.Continues || in.Peek() == '{'
	case "audio":
		f.Audio = f.Audio || in.Peek() != 'n'
	}
}

// compare orders two members by the UTF-16 code units of their names.
func (b *Body) compare(x, y field) int {
	p, q := b.Canonical[x.name+1:x.after-1], b.Canonical[y.name+1:y.after-1]
	if !x.escaped && !y.escaped {
		return bytes.Compare(p, q)
	}
	u := utf16.Encode([]rune(string(jsonscan.AppendUnescaped(nil, p))))
	v := utf16.Encode([]rune(string(jsonscan.AppendUnescaped(nil, q))))
	return slices.Compare(u, v)
}

// sort puts the members of an object, which begin at start, in order.
func (b *Body) sort(start int, fields []field) {
	slices.SortStableFunc(fields, b.compare)
	b.moved = b.moved[:0]
	for i, f := range fields {
		if i > 0 && b.compare(fields[i-1], f) == 0 {
			b.fail(Duplicate)
		}
		b.moved = append(b.moved, b.Canonical[f.name:f.end]...)
	}
	copy(b.Canonical[start:], b.moved)
}

// str appends the string with the validated text raw between its quotes.
func (b *Body) str(raw []byte, text bool) {
	text = text && b.normalise
	escaped := bytes.IndexByte(raw, '\\') >= 0
	if !escaped && !text {
		if !ascii(raw) && !utf8.Valid(raw) {
			b.fail(Unreadable)
		}
		b.Canonical = append(append(append(b.Canonical, '"'), raw...), '"')
		return
	}
	if escaped {
		b.text = jsonscan.AppendUnescaped(b.text[:0], raw)
		raw = b.text
		if bytes.ContainsRune(raw, utf8.RuneError) { // perhaps half of a pair: two of them would become one
			b.fail(Unreadable)
		}
	}
	if !utf8.Valid(raw) {
		b.fail(Unreadable)
	}
	if text {
		n := len(b.text) * btoi(escaped)
		b.text = appendNormal(b.text[:n], raw)
		raw = b.text[n:]
	}
	b.Canonical = appendQuoted(b.Canonical, raw)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

const hex = "0123456789abcdef"

// appendQuoted appends a string as RFC 8785, 3.2.2.2 has it.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch {
		case c >= ' ':
			dst = append(dst, '\\', c)
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, text[from:]...), '"')
}
