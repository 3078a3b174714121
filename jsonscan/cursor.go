package jsonscan

import "bytes"

// MaxOpen is the deepest nesting for Open, whose callers may recurse; no known API
// comes near. Skip passes values nested up to MaxDepth.
const MaxOpen = 128

// Cursor walks over one JSON value, member by member, without allocating. It checks the
// grammar on the way: Done says at the end whether the text is valid JSON. After a
// fault every method returns at once, as at the end of the text.
//
//	for first, in := true, c.Open('{'); in && c.Next('}', first); first = false {
//		switch string(c.Key()) { ... c.Skip() }
//	}
type Cursor struct {
	s     Scanner
	i     int
	depth int
	bad   bool
}

// At is a cursor before the value of a text.
func At(text []byte) Cursor { return Cursor{s: Scanner{B: text}} }

func (c *Cursor) fail() { c.bad, c.i = true, len(c.s.B) }

// Peek returns the next byte that is not space, 0 at the end.
func (c *Cursor) Peek() byte {
	c.i = c.s.Space(c.i)
	if c.i < len(c.s.B) {
		return c.s.B[c.i]
	}
	return 0
}

// Open enters an object or array. It skips any other value and returns false.
func (c *Cursor) Open(bracket byte) bool {
	if c.Peek() != bracket {
		c.Skip()
		return false
	}
	if c.depth++; c.depth > MaxOpen {
		c.fail()
		return false
	}
	c.i++
	return true
}

// Next moves to the next member; first is true before the first one. It returns false
// after the closing bracket.
func (c *Cursor) Next(bracket byte, first bool) bool {
	b := c.Peek()
	if b == bracket && !c.bad {
		c.i++
		c.depth--
		return false
	}
	if !first {
		if b != ',' {
			c.fail()
			return false
		}
		c.i++
		if c.Peek() == bracket {
			c.fail()
		}
	}
	return !c.bad
}

// Key reads a member's name and its colon.
func (c *Cursor) Key() []byte {
	c.s.escaped = false
	k := c.RawKey()
	if c.s.escaped {
		return Unescaped(k)
	}
	return k
}

// RawKey is Key without unescaping.
func (c *Cursor) RawKey() []byte {
	from := c.s.Space(c.i)
	quote, after := c.s.key(from)
	if after < 0 {
		c.fail()
		return nil
	}
	c.i = after
	return c.s.B[from+1 : quote]
}

// Text reads a string and returns the bytes between its quotes, still escaped: see
// AppendUnescaped. It skips any other value and returns nil.
func (c *Cursor) Text() []byte {
	if c.Peek() != '"' {
		c.Skip()
		return nil
	}
	from := c.i + 1
	end := c.s.str(c.i)
	if end < 0 {
		c.fail()
		return nil
	}
	c.i = end
	return c.s.B[from : end-1]
}

// Skip passes any value.
func (c *Cursor) Skip() {
	if end := c.s.value(c.s.Space(c.i)); end >= 0 {
		c.i = end
		return
	}
	c.fail()
}

// Raw passes any value and returns its text.
func (c *Cursor) Raw() []byte {
	from := c.s.Space(c.i)
	end := c.s.value(from)
	if end < 0 {
		c.fail()
		return nil
	}
	c.i = end
	return c.s.B[from:end]
}

// HasContent passes a value and says whether it has content: see the function
// HasContent.
func (c *Cursor) HasContent() bool { return HasContent(c.Raw()) }

// Done says whether the whole text was one value.
func (c *Cursor) Done() bool {
	return !c.bad && c.Peek() == 0 && c.i == len(c.s.B)
}

// HasContent says whether a valid value has content: a string, list or object that is
// not empty. null, numbers and literals have none.
func HasContent(value []byte) bool {
	if len(value) <= 2 {
		return false
	}
	switch value[0] {
	case '"':
		return true
	case '{', '[':
		return len(bytes.TrimSpace(value[1:len(value)-1])) > 0
	}
	return false
}
