package vectors

import (
	"container/list"
	"sync"

	"weir/cache"
	"weir/embed"
)

// recent are the vectors used last, within a bound in bytes.
type recent struct {
	most int64

	mu    sync.Mutex
	bytes int64
	of    map[cache.Key]*list.Element
	order *list.List // of *entry, the one used last in front
}

type entry struct {
	key cache.Key
	v   embed.Vector
}

// overhead is the memory of an entry besides its numbers.
const overhead = 256

func newRecent(most int64) *recent {
	return &recent{most: most, of: map[cache.Key]*list.Element{}, order: list.New()}
}

func sizeOf(v embed.Vector) int64 { return int64(cap(v.Data)) + overhead }

// get fills into, and lists what it has not.
func (r *recent) get(keys []cache.Key, into []embed.Vector) (far []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range keys {
		if into[i].Data != nil {
			continue
		}
		if e := r.of[k]; e != nil {
			r.order.MoveToFront(e)
			into[i] = e.Value.(*entry).v
			continue
		}
		far = append(far, i)
	}
	return far
}

func (r *recent) put(k cache.Key, v embed.Vector) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.of[k]; e != nil {
		r.bytes += sizeOf(v) - sizeOf(e.Value.(*entry).v)
		e.Value.(*entry).v = v
		r.order.MoveToFront(e)
	} else {
		r.of[k] = r.order.PushFront(&entry{k, v})
		r.bytes += sizeOf(v)
	}
	for r.bytes > r.most && r.order.Len() > 0 {
		r.drop(r.order.Back())
	}
}

func (r *recent) drop(e *list.Element) {
	old := r.order.Remove(e).(*entry)
	delete(r.of, old.key)
	r.bytes -= sizeOf(old.v)
}

func (r *recent) forget(keys []cache.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		if e := r.of[k]; e != nil {
			r.drop(e)
		}
	}
}

func (r *recent) size() (entries int, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.order.Len(), r.bytes
}
