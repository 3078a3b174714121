package main

import "container/list"

// policy is a cache of prompts by number, of a fixed count: get says whether a prompt was
// there, and keeps it if the policy does. These are the published algorithms, for entries of
// equal size; nothing else uses them.
type policy interface{ get(p int32) bool }

func ratio(trace []int32, c policy) float64 {
	hits := 0
	for i, p := range trace {
		if c.get(p) && i >= warm(trace) {
			hits++
		}
	}
	return float64(hits) / float64(len(trace)-warm(trace))
}

// item is an entry of a queue.
type item struct {
	prompt int32
	freq   uint8
}

// sieve is SIEVE (Zhang and others, NSDI 2024): a queue in order of arrival, and a hand that
// moves from its tail to its head and drops the first entry that was not asked for since the
// hand was there.
type sieve struct {
	fits  int
	queue list.List
	at    map[int32]*list.Element
	hand  *list.Element
}

func newSieve(fits int) policy { return &sieve{fits: fits, at: map[int32]*list.Element{}} }

func (s *sieve) get(p int32) bool {
	if e := s.at[p]; e != nil {
		e.Value.(*item).freq = 1
		return true
	}
	if s.queue.Len() >= s.fits {
		s.drop()
	}
	s.at[p] = s.queue.PushFront(&item{prompt: p})
	return false
}

func (s *sieve) drop() {
	for {
		if s.hand == nil {
			s.hand = s.queue.Back()
		}
		e := s.hand
		s.hand = e.Prev()
		if it := e.Value.(*item); it.freq > 0 {
			it.freq = 0
			continue
		}
		delete(s.at, s.queue.Remove(e).(*item).prompt)
		return
	}
}

// s3fifo is S3-FIFO (Yang and others, SOSP 2023): a small queue of a tenth, a main queue, and
// the names of what has left the small one without a second request.
type s3fifo struct {
	fits, small         int
	first, main, ghosts list.List
	at                  map[int32]*list.Element
	gone                map[int32]*list.Element
}

func newS3FIFO(fits int) policy {
	return &s3fifo{fits: fits, small: max(fits/10, 1), at: map[int32]*list.Element{}, gone: map[int32]*list.Element{}}
}

func (s *s3fifo) get(p int32) bool {
	if e := s.at[p]; e != nil {
		it := e.Value.(*item)
		it.freq = min(it.freq+1, 3)
		return true
	}
	for s.first.Len()+s.main.Len() >= s.fits {
		if s.first.Len() >= s.small || s.main.Len() == 0 {
			s.dropFirst()
		} else {
			s.dropMain()
		}
	}
	if e := s.gone[p]; e != nil {
		s.ghosts.Remove(e)
		delete(s.gone, p)
		s.at[p] = s.main.PushFront(&item{prompt: p})
		return false
	}
	s.at[p] = s.first.PushFront(&item{prompt: p})
	return false
}

func (s *s3fifo) dropFirst() {
	for s.first.Len() > 0 {
		it := s.first.Remove(s.first.Back()).(*item)
		if it.freq > 1 {
			it.freq = 0
			s.at[it.prompt] = s.main.PushFront(it)
			continue
		}
		delete(s.at, it.prompt)
		s.gone[it.prompt] = s.ghosts.PushFront(it.prompt)
		if s.ghosts.Len() > s.fits-s.small {
			delete(s.gone, s.ghosts.Remove(s.ghosts.Back()).(int32))
		}
		return
	}
}

func (s *s3fifo) dropMain() {
	for {
		e := s.main.Back()
		it := e.Value.(*item)
		if it.freq == 0 {
			s.main.Remove(e)
			delete(s.at, it.prompt)
			return
		}
		it.freq--
		s.main.MoveToFront(e)
	}
}

// tinyLFU is W-TinyLFU (Einziger, Friedman and Manes, 2017): a window of a hundredth in order
// of use; what leaves it displaces the main part's victim if it was asked for more often. The
// main part is a segmented LRU of a fifth on probation and the rest protected. Its counts are
// exact up to 15 where the paper's are a sketch, and are halved after ten requests for each
// entry that fits.
type tinyLFU struct {
	window, protected, fits int
	parts                   [3]list.List // window, probation, protected
	at                      map[int32]*list.Element
	of                      map[int32]int // the part
	counts                  map[int32]uint8
	asked                   int
}

const (
	inWindow = iota
	onProbation
	isProtected
)

func newTinyLFU(fits int) policy {
	w := max(fits/100, 1)
	return &tinyLFU{window: w, protected: (fits - w) * 8 / 10, fits: fits, at: map[int32]*list.Element{}, of: map[int32]int{}, counts: map[int32]uint8{}}
}

func (t *tinyLFU) put(p int32, part int) { t.at[p], t.of[p] = t.parts[part].PushFront(p), part }

func (t *tinyLFU) take(p int32) {
	t.parts[t.of[p]].Remove(t.at[p])
	delete(t.at, p)
	delete(t.of, p)
}

func (t *tinyLFU) last(part int) int32 { return t.parts[part].Back().Value.(int32) }

func (t *tinyLFU) count(p int32) {
	t.counts[p] = min(t.counts[p]+1, 15)
	if t.asked++; t.asked >= 10*t.fits {
		t.asked /= 2
		for k, n := range t.counts {
			if t.counts[k] = n / 2; n < 2 {
				delete(t.counts, k)
			}
		}
	}
}

func (t *tinyLFU) get(p int32) bool {
	t.count(p)
	if e := t.at[p]; e != nil {
		if t.of[p] != onProbation {
			t.parts[t.of[p]].MoveToFront(e)
			return true
		}
		t.take(p)
		t.put(p, isProtected)
		if t.parts[isProtected].Len() > t.protected {
			old := t.last(isProtected)
			t.take(old)
			t.put(old, onProbation)
		}
		return true
	}
	t.put(p, inWindow)
	if t.parts[inWindow].Len() <= t.window {
		return false
	}
	comes := t.last(inWindow)
	t.take(comes)
	if len(t.at) >= t.fits {
		victim := t.last(onProbation)
		if t.counts[comes] <= t.counts[victim] {
			return false
		}
		t.take(victim)
	}
	t.put(comes, onProbation)
	return false
}
