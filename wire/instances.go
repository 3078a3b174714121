package wire

import (
	"fmt"
	"time"
)

// room is what one reading of the quotas leaves for a deployment's instances.
type room struct {
	read time.Time // the reading
	most int
	text string
	is   bool // a quota bounds them
}

// instances is how many instances of a managed endpoint the quotas allow, of which have
// are there; false: none that bounds them is known. A reading counts those that were
// there when it was made, so that later ones are not taken for free.
func (s *subscription) instances(deployment string, have int) (most int, text string, known bool) {
	if s.quotas == nil {
		return 0, "", false
	}
	now := s.quotas.Reading()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.room[deployment]
	if r.read != now.At {
		r = room{read: now.At}
		r.most, r.text, r.is = s.roomOf(deployment, have)
		s.room[deployment] = r
	}
	return r.most, r.text, r.is
}

// roomOf reads the book. The lock is held.
func (s *subscription) roomOf(deployment string, have int) (most int, text string, known bool) {
	x, is := s.of[deployment]
	prices, err := s.prices()
	if !is || err != nil {
		return 0, "", false
	}
	_, name, at, ok := Machines(x.d, prices)
	b := s.quotas.Book()
	size, err := b.Size(prices, name)
	if !ok || err != nil {
		return 0, "", false
	}
	n, by, known := b.Most(size, at, have)
	if !known || by.Used < int64(have)*int64(size.VCPUs) {
		return 0, "", false // a quota that does not count what is there is another's
	}
	return n, fmt.Sprintf("%d of %d %s of %s are used", by.Used, by.Limit, by.Unit, by.Where()), true
}
