package dispatch

// item is an element of an indexed heap. It knows its order and its index, and
// can therefore be moved or removed in O(log n) without a search.
type item[T any] interface {
	comparable
	before(other T) bool
	heapIndex() *int // its index plus one; 0: in no heap
}

// heap is a binary heap of items, smallest first. An item is in at most one
// heap of its kind.
type heap[T item[T]] []T

// top returns the smallest item, or the zero T of an empty heap.
func (h heap[T]) top() (t T) {
	if len(h) > 0 {
		t = h[0]
	}
	return t
}

// has says whether x is in a heap.
func (h heap[T]) has(x T) bool { return *x.heapIndex() > 0 }

func (h *heap[T]) push(x T) {
	*h = append(*h, x)
	*x.heapIndex() = len(*h)
	h.up(len(*h) - 1)
}

// remove takes x out if it is in the heap.
func (h *heap[T]) remove(x T) {
	i := *x.heapIndex() - 1
	if i < 0 {
		return
	}
	old := *h
	last := len(old) - 1
	old.swap(i, last)
	var none T
	old[last] = none
	*h = old[:last]
	*x.heapIndex() = 0
	if i < last {
		h.fix((*h)[i])
	}
}

// fix restores the order after x changed.
func (h heap[T]) fix(x T) {
	i := *x.heapIndex() - 1
	if !h.up(i) {
		h.down(i)
	}
}

func (h heap[T]) up(i int) (moved bool) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			break
		}
		h.swap(i, parent)
		i, moved = parent, true
	}
	return moved
}

func (h heap[T]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h[right].before(h[child]) {
			child = right
		}
		if !h[child].before(h[i]) {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (h heap[T]) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	*h[i].heapIndex(), *h[j].heapIndex() = i+1, j+1
}
