package gateway

import (
	"hash/fnv"
	"io"
)

// Sticky says which requests stay with a deployment of a tier while its weights
// change only as far as they must.
type Sticky struct {
	By     StickyBy
	Header string // with ByHeader; in canonical form
}

// StickyBy is what such requests share.
type StickyBy uint8

const (
	NotSticky    StickyBy = iota
	StickyKey             // the caller's key
	StickyHeader          // the value of a header; without it nothing
)

// sticky names what the request sticks by; 0: nothing.
func (c *call) sticky() uint64 {
	rec, by := &c.booking.rec, &c.booking.served.sticky
	what := rec.Key
	switch by.By {
	case NotSticky:
		return 0
	case StickyHeader:
		if what = c.x.get(by.Header); what == "" {
			return 0
		}
	}
	h := fnv.New64a()
	io.WriteString(h, rec.Tenant+"/"+what)
	return max(h.Sum64(), 1)
}
