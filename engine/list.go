package engine

func (r *Replica) pushBack(l *ring, i int32) {
	s := &r.seqs[i]
	s.prev, s.next = l.tail, none
	if l.tail == none {
		l.head = i
	} else {
		r.seqs[l.tail].next = i
	}
	l.tail = i
	l.n++
}

func (r *Replica) pushFront(l *ring, i int32) {
	s := &r.seqs[i]
	s.prev, s.next = none, l.head
	if l.head == none {
		l.tail = i
	} else {
		r.seqs[l.head].prev = i
	}
	l.head = i
	l.n++
}

func (r *Replica) remove(l *ring, i int32) {
	s := &r.seqs[i]
	if s.prev == none {
		l.head = s.next
	} else {
		r.seqs[s.prev].next = s.next
	}
	if s.next == none {
		l.tail = s.prev
	} else {
		r.seqs[s.next].prev = s.prev
	}
	l.n--
}

// alloc returns a slot for a sequence.
func (r *Replica) alloc() int32 {
	if n := len(r.spare); n > 0 {
		i := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return i
	}
	r.seqs = append(r.seqs, sequence{})
	return int32(len(r.seqs) - 1)
}

// release forgets a sequence.
func (r *Replica) release(i int32) {
	r.seqs[i] = sequence{}
	r.spare = append(r.spare, i)
}
