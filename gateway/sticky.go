package gateway

import (
	"hash/fnv"
	"io"
)

// Sticky says which requests stay with a deployment of a tier. When weights change,
// only as many move as must.
type Sticky struct {
	By     StickyBy
	Header string // with ByHeader; in canonical form
}

// StickyBy is the property that requests to the same deployment share.
type StickyBy uint8

const (
	NotSticky    StickyBy = iota
	StickyKey             // the caller's key
	StickyHeader          // the value of a header; not sticky without it
)

// sticky is a hash of that property; 0: none.
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
