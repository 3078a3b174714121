package http1

import (
	"bytes"
	"io"
)

// How a body is delimited.
const (
	byLength = iota // left counts down to its end
	byChunks
	byClose // ends with the connection: a cut cannot be detected
)

// Position in a chunked body.
const (
	chunkHead   = iota // before a chunk's size
	chunkData          // left bytes of the chunk remain
	chunkEnd           // before the CRLF after it
	chunkTail          // after the last chunk: trailers
	chunkFinish        // done
)

// body decodes the bytes after a head, from the connection's buffer.
type body struct {
	c     *conn
	how   uint8
	state uint8
	left  int64 // of the body, or of the chunk
	extra int   // bytes of chunk extensions so far
	tail  int   // bytes of trailers so far
}

// view returns decoded bytes that are in memory, without reading; none if more must be
// read first. They are valid until the connection is read again. io.EOF is the true
// end.
func (b *body) view() ([]byte, error) {
	if b.how == byChunks {
		if err := b.advance(); err != nil {
			return nil, err
		}
	}
	n := int64(b.c.w - b.c.r)
	if b.how != byClose {
		if b.left == 0 && b.how == byLength {
			return nil, io.EOF
		}
		n = min(n, b.left)
		b.left -= n
	}
	v := b.c.buf[b.c.r : b.c.r+int(n)]
	b.c.r += int(n)
	return v, nil
}

// unread gives back the last n bytes of the last view.
func (b *body) unread(n int) {
	b.c.r -= n
	if b.how != byClose {
		b.left += int64(n)
	}
}

// finished says whether the true end was reached.
func (b *body) finished() bool {
	switch b.how {
	case byLength:
		return b.left == 0
	case byChunks:
		return b.state == chunkFinish
	}
	return false
}

// direct is how much of a body may be read straight into a caller's memory: the bytes
// up to the next delimiter, if the buffer is empty.
func (b *body) direct(room int) int {
	switch {
	case b.c.r != b.c.w:
		return 0
	case b.how == byClose:
		return room
	case b.how == byChunks && b.state != chunkData:
		return 0
	}
	return int(min(int64(room), b.left))
}

// advance passes the delimiters of a chunked body that are in the buffer. Afterwards
// there is data (state chunkData), or more must be read.
func (b *body) advance() error {
	for {
		in := b.c.buf[b.c.r:b.c.w]
		used, err := 0, error(nil)
		switch b.state {
		case chunkHead:
			used, err = b.chunkHead(in)
		case chunkData:
			if b.left > 0 {
				return nil
			}
			b.state = chunkEnd
			continue
		case chunkEnd:
			if used, err = crlf(in); used > 0 {
				b.state = chunkHead
			}
		case chunkTail:
			used, err = b.trailer(in)
		case chunkFinish:
			return io.EOF
		}
		b.c.r += used
		if err != nil || used == 0 {
			return err
		}
	}
}

// chunkHead reads a chunk's size and skips its extensions. It returns 0 if the line is
// incomplete.
func (b *body) chunkHead(in []byte) (int, error) {
	n := bytes.IndexByte(in, '\n')
	if n < 0 {
		if len(in) > maxExtensions {
			return 0, faultf("a chunk's size line is longer than %d bytes", maxExtensions)
		}
		return 0, chunkSizeSoFar(in)
	}
	if n == 0 || in[n-1] != '\r' {
		return 0, faultf("a chunk's size line ends with a bare LF")
	}
	line := in[:n-1]
	size, digits, err := chunkSize(line)
	if err != nil {
		return 0, err
	}
	if ext := line[digits:]; len(ext) > 0 {
		if ext[0] != ';' || !isFieldText(string(ext)) {
			return 0, faultf("chunk size line %q: want hexadecimal digits", clip(string(line)))
		}
		if b.extra += len(ext); b.extra > maxExtensions {
			return 0, faultf("chunk extensions are longer than %d bytes", maxExtensions)
		}
	}
	b.left, b.state = size, chunkData
	if size == 0 {
		b.state = chunkTail
	}
	return n + 1, nil
}

// chunkSize reads the hexadecimal digits at the start of a line.
func chunkSize(line []byte) (size int64, digits int, err error) {
	for digits < len(line) {
		d, ok := hex(line[digits])
		if !ok {
			break
		}
		if size = size<<4 | d; size > maxChunk || digits >= 16 {
			return 0, 0, faultf("a chunk is larger than %d bytes", int64(maxChunk))
		}
		digits++
	}
	if digits == 0 {
		return 0, 0, faultf("chunk size line %q: want hexadecimal digits", clip(string(line)))
	}
	return size, digits, nil
}

// chunkSizeSoFar refuses an incomplete line that cannot become a size.
func chunkSizeSoFar(in []byte) error {
	if len(in) == 0 {
		return nil
	}
	_, _, err := chunkSize(in)
	return err
}

func hex(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10, true
	}
	return 0, false
}

// crlf expects the two bytes after a chunk; 0 if they have not arrived.
func crlf(in []byte) (int, error) {
	switch {
	case len(in) > 0 && in[0] != '\r', len(in) > 1 && in[1] != '\n':
		return 0, faultf("a chunk is longer than it said")
	case len(in) < 2:
		return 0, nil
	}
	return 2, nil
}

// trailer checks and drops one line after the last chunk; an empty line ends the body.
func (b *body) trailer(in []byte) (int, error) {
	n := bytes.IndexByte(in, '\n')
	size := n
	if n < 0 {
		size = len(in)
	}
	if b.tail+size > maxTrailer {
		return 0, faultf("the trailers are larger than %d bytes", maxTrailer)
	}
	if n < 0 {
		return 0, nil
	}
	if n == 0 || in[n-1] != '\r' {
		return 0, faultf("a trailer line ends with a bare LF")
	}
	if n == 1 {
		b.state = chunkFinish
		return 2, nil
	}
	if _, err := parseField(string(in[:n-1])); err != nil {
		return 0, err
	}
	b.tail += n + 1
	return n + 1, nil
}
