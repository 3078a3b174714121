package gateway

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

// Buffers for bodies and answers come from pools by size: a large one is not kept for
// small requests, and a small one is not grown for each large request. Buffers above
// the largest class are left to the garbage collector.
const (
	smallestClass = 12 // 4 KiB
	largestClass  = 20 // 1 MiB
)

var pools [largestClass - smallestClass + 1]sync.Pool

// buffer is pooled memory. Its owner gives it back once, with free.
type buffer struct {
	b    []byte
	from *bodyMemory // where its memory is counted; nil: nowhere
	lent bool        // the memory belongs to the caller: no pool gets it
}

func classOf(n int) int { return max(bits.Len(uint(max(n, 1)-1)), smallestClass) }

// newBuffer returns an empty buffer with room for n bytes.
func newBuffer(n int) *buffer {
	c := classOf(n)
	if c > largestClass {
		return &buffer{b: make([]byte, 0, n)}
	}
	if b, ok := pools[c-smallestClass].Get().(*buffer); ok {
		b.b = b.b[:0]
		return b
	}
	return &buffer{b: make([]byte, 0, 1<<c)}
}

// free gives the memory back. A nil buffer has none.
func (b *buffer) free() {
	if b == nil {
		return
	}
	b.from.give(int64(cap(b.b)))
	b.from = nil
	if b.lent {
		b.b = nil
		return
	}
	if c := classOf(cap(b.b)); c <= largestClass && cap(b.b) == 1<<c {
		pools[c-smallestClass].Put(b)
	}
}

// grown returns a buffer of at least twice the capacity with the same bytes, and frees
// b.
func (b *buffer) grown() *buffer {
	next := newBuffer(2 * cap(b.b))
	next.b = append(next.b, b.b...)
	b.free()
	return next
}

// counted returns a buffer for n bytes and counts it; nil if there is not enough
// memory. own is how much the same body already has.
func (m *bodyMemory) counted(n int, own int64) *buffer {
	if c := classOf(n); c <= largestClass {
		n = 1 << c
	}
	if !m.take(int64(n), own) {
		return nil
	}
	b := newBuffer(n)
	b.from = m
	return b
}

// lent wraps the caller's memory in a buffer and counts it; nil if there is not enough
// memory.
func (m *bodyMemory) lent(p []byte) *buffer {
	if !m.take(int64(len(p)), 0) {
		return nil
	}
	return &buffer{b: p[:len(p):len(p)], from: m, lent: true}
}

// trusted is the most memory that a stated length gets before its bytes arrive: stating
// a length costs a caller nothing.
const trusted = 256 << 10

var errOverLimit = errors.New("over the limit")

// readAll reads r to its end into a buffer. size is the expected length, -1 if unknown.
// More than limit bytes end with errOverLimit and the bytes read so far, at least
// limit+1.
func readAll(r io.Reader, size, limit int64) (*buffer, error) {
	return readCounted(r, size, limit, nil)
}

// readCounted is readAll with its memory counted in m. It ends with errNoMemory if m
// has no more.
func readCounted(r io.Reader, size, limit int64, m *bodyMemory) (*buffer, error) {
	room := min(size, limit, trusted)
	if size < 0 {
		room = 1 << smallestClass
	}
	b := m.counted(int(room)+1, 0) // one more byte to detect the end
	if b == nil {
		return nil, errNoMemory
	}
	for {
		if had := int64(cap(b.b)); int64(len(b.b)) == had {
			next := min(2*had, limit+1)
			if size >= had {
				next = min(next, size+1)
			}
			more := m.counted(int(next), had)
			if more == nil {
				return b, errNoMemory
			}
			more.b = append(more.b, b.b...)
			b.free()
			b = more
		}
		n, err := r.Read(b.b[len(b.b):min(int64(cap(b.b)), limit+1)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case int64(len(b.b)) > limit:
			return b, errOverLimit
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}
