package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"weir"
)

// Entry is a stored answer. It is never changed.
type Entry struct {
	Body   []byte       // the whole answer, JSON
	Usage  weir.Usage   // of the model that made it
	Cost   weir.Money   // of that; what a hit saves
	Stored weir.Instant // wall clock
	TTL    time.Duration

	Generation Generation // when it was asked for
	Of         Origin

	marks []mark
}

// Ready finds what Replay changes. It is called once, before anything reads the entry.
func (e *Entry) Ready() *Entry {
	e.marks = marksOf(e.Body)
	return e
}

// Origin is where an entry comes from: the names by which it is purged.
type Origin struct {
	Tenant    string   `json:"t"` // of the caller that asked, also of a shared entry
	Model     string   `json:"m"`
	Namespace string   `json:"n,omitempty"`
	Tags      []string `json:"g,omitempty"`
}

// Age is how long it is stored, at least 0: the clocks of two gateways may differ.
func (e *Entry) Age(now weir.Instant) time.Duration { return max(now.Sub(e.Stored), 0) }

// Left is how long it is still fresh.
func (e *Entry) Left(now weir.Instant) time.Duration { return e.TTL - e.Age(now) }

// Size is the memory it takes, about.
func (e *Entry) Size() int {
	n := entrySize + cap(e.Body) + 24*len(e.marks) + len(e.Of.Tenant) + len(e.Of.Model) + len(e.Of.Namespace)
	for _, t := range e.Of.Tags {
		n += len(t) + 16
	}
	return n
}

// entrySize is an entry without its texts, with its place in a store.
const entrySize = 512

// head is an entry in a shared store, before its body.
type head struct {
	Key        []byte        `json:"k"`
	Usage      weir.Usage    `json:"u"`
	Cost       weir.Money    `json:"c"`
	Stored     weir.Instant  `json:"s"`
	TTL        time.Duration `json:"l"`
	Generation Generation    `json:"e"`
	Of         Origin        `json:"o"`
	Size       int           `json:"z"` // of the body, before it was packed
}

var errNoEntry = errors.New("the value is no entry of this release")

// maxHead bounds the head, in bytes.
const maxHead = 16 << 10

// Append writes the entry of a key: version, length of the head, head, body. pack may
// make the body smaller.
func (e *Entry) Append(dst []byte, k Key, pack func(dst, body []byte) []byte) ([]byte, error) {
	h, err := json.Marshal(head{k[:], e.Usage, e.Cost, e.Stored, e.TTL, e.Generation, e.Of, len(e.Body)})
	if err != nil {
		return dst, err
	}
	dst = binary.AppendUvarint(append(dst, keyVersion), uint64(len(h)))
	return pack(append(dst, h...), e.Body), nil
}

// ReadEntry reads what Append wrote for the same key. unpack gets the size that the body
// must have, at most mostBody. Anything else is an error: a store may hold what others
// wrote.
func ReadEntry(b []byte, k Key, mostBody int, unpack func(packed []byte, size int) ([]byte, error)) (*Entry, error) {
	if len(b) < 2 || b[0] != keyVersion {
		return nil, errNoEntry
	}
	n, w := binary.Uvarint(b[1:])
	if w <= 0 || n > maxHead || uint64(len(b)) < 1+uint64(w)+n {
		return nil, errNoEntry
	}
	var h head
	packed := b[1+w+int(n):]
	if json.Unmarshal(b[1+w:1+w+int(n)], &h) != nil || string(h.Key) != string(k[:]) || h.TTL <= 0 || h.Stored <= 0 || h.Size <= 0 || h.Size > mostBody ||
		h.Cost < 0 || h.Usage.Prompt < 0 || h.Usage.Completion < 0 {
		return nil, errNoEntry
	}
	body, err := unpack(packed, h.Size)
	if err != nil || len(body) != h.Size {
		return nil, errNoEntry
	}
	e := Entry{Body: body, Usage: h.Usage, Cost: h.Cost, Stored: h.Stored, TTL: h.TTL, Generation: h.Generation, Of: h.Of}
	return e.Ready(), nil
}
