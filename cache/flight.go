package cache

import "slices"

// Flight is one request to a model that several callers want: one of them leads and asks,
// the others follow and get what it gets. The zero value is empty. Callers are named by
// numbers above 0, each used once.
//
// At any time at most one caller leads. A follower that has been sent nothing can lead
// later; one that has been sent a part of the leader's answer can only end with it. After
// MaxFailures all that wait ask for themselves.
type Flight struct {
	leader  uint64 // that asks, or has left while others follow; 0: none
	left    bool   // the leader's caller has left
	failed  int    // leaders so far, one after the other
	ended   bool   // the leader's request was told to stop: its end is no failure
	waiting []uint64
	reading []uint64
}

// MaxFailures is how many leaders may fail one after the other: no caller waits for more
// failures than these before its own request is sent.
const MaxFailures = 2

// MaxFollowers bounds the followers of one flight. More ask for themselves.
const MaxFollowers = 10_000

// Join adds a caller. It leads if no other does.
func (f *Flight) Join(id uint64) (leads, ok bool) {
	switch {
	case f.leader == 0:
		f.leader, f.left, f.ended = id, false, false
		return true, true
	case len(f.waiting)+len(f.reading) >= MaxFollowers:
		return false, false
	}
	f.waiting = append(f.waiting, id)
	return false, true
}

// Begin notes that a follower has been sent something.
func (f *Flight) Begin(id uint64) {
	if f.remove(&f.waiting, id) {
		f.reading = append(f.reading, id)
	}
}

// Leave takes a caller out: it has left, or asks for itself. cancel says that no caller is
// left who wants the leader's answer.
func (f *Flight) Leave(id uint64) (cancel bool) {
	if id == f.leader {
		f.left = true
	} else {
		f.remove(&f.waiting, id)
		f.remove(&f.reading, id)
	}
	cancel = f.leader != 0 && f.left && f.Followers() == 0
	f.ended = f.ended || cancel
	return cancel
}

// Ended takes the leader's end. If over, no follower leads: they have the answer, or ask
// for themselves. After a failure the first follower that has been sent nothing leads; next
// is 0 if there is none, or after MaxFailures: then all of them ask for themselves. Those
// that read end with the leader: they have its beginning.
func (f *Flight) Ended(id uint64, over bool) (next uint64) {
	if id != f.leader {
		return 0
	}
	if !f.ended {
		f.failed++
	}
	over = over || f.failed >= MaxFailures
	return f.pass(over)
}

// Resign takes a leader out that has not asked.
func (f *Flight) Resign(id uint64) (next uint64) {
	if id != f.leader {
		return 0
	}
	return f.pass(false)
}

func (f *Flight) pass(over bool) (next uint64) {
	f.leader, f.left, f.ended = 0, false, false
	if over {
		f.waiting, f.reading, f.failed = nil, nil, 0
		return 0
	}
	f.reading = nil
	if len(f.waiting) == 0 {
		f.failed = 0
		return 0
	}
	f.leader, f.waiting = f.waiting[0], f.waiting[1:]
	return f.leader
}

// Leader is the caller that asks; 0: none.
func (f *Flight) Leader() uint64 { return f.leader }

// Followers is how many follow.
func (f *Flight) Followers() int { return len(f.waiting) + len(f.reading) }

func (f *Flight) remove(from *[]uint64, id uint64) bool {
	i := slices.Index(*from, id)
	if i < 0 {
		return false
	}
	*from = slices.Delete(*from, i, i+1)
	return true
}
