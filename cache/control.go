package cache

import (
	"strconv"
	"strings"
	"time"
)

// Control is a request's Cache-Control (RFC 9111, 5.2.1). Directives that are not here
// have no effect.
type Control struct {
	NoCache      bool // ask the model, and store its answer
	NoStore      bool // neither look nor store
	OnlyIfCached bool // a stored answer, or 504
	MaxAge       time.Duration
	HasMaxAge    bool // an older answer is not taken
}

// maxSeconds bounds a number of seconds (RFC 9111, 1.2.2).
const maxSeconds = 1 << 31

// ParseControl reads the header's lines. A max-age that is no number counts as 0: what
// cannot be read is stale.
func ParseControl(lines []string) (c Control) {
	for _, line := range lines {
		for d := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
			switch strings.ToLower(name) {
			case "no-cache":
				c.NoCache = true
			case "no-store":
				c.NoStore = true
			case "only-if-cached":
				c.OnlyIfCached = true
			case "max-age":
				n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 63)
				if err != nil {
					n = 0
				}
				c.MaxAge, c.HasMaxAge = time.Duration(min(n, maxSeconds))*time.Second, true
			}
		}
	}
	return c
}

// Result is how a request met the cache. It is the value of x-weir-cache and a metric's
// label.
type Result string

const (
	None      Result = ""          // the model has no cache
	Hit       Result = "hit"       // answered from a stored answer
	Meaning   Result = "meaning"   // answered from the stored answer of a request in other words
	Coalesced Result = "coalesced" // got the answer of another caller's request in flight
	Miss      Result = "miss"      // the model was asked
	Bypass    Result = "bypass"    // its answer is not stored: see Reason
	Partial   Result = "partial"   // of embeddings: the model was asked for some of them
)

// Status is the answer's Cache-Status (RFC 9211).
type Status struct {
	Result Result
	Why    Reason        // of a Bypass
	Stale  bool          // of a Miss: there was an entry, too old for the caller
	Forced bool          // of a Miss: the caller's no-cache
	TTL    time.Duration // left, of a Hit or Meaning
	Key    Key
}

// Text is the header's value. The key is shortened: it names an entry, and finds none.
func (s *Status) Text() string {
	b := append(make([]byte, 0, 80), "weir; "...)
	switch {
	case s.Result == Hit, s.Result == Meaning:
		b = strconv.AppendInt(append(b, "hit; ttl="...), int64(s.TTL/time.Second), 10)
		if s.Result == Meaning {
			b = append(b, "; detail=meaning"...)
		}
	case s.Result == Coalesced:
		b = append(b, "fwd=miss; collapsed"...)
	case s.Result == Bypass:
		return string(append(append(b, "fwd=bypass; detail="...), s.Why...))
	case s.Result == Partial:
		b = append(b, "fwd=partial"...)
	case s.Stale:
		b = append(b, "fwd=stale"...)
	case s.Forced:
		b = append(b, "fwd=request"...)
	default:
		b = append(b, "fwd=miss"...)
	}
	b = append(b, `; key="`...)
	for _, c := range s.Key[:8] {
		b = append(b, hex[c>>4], hex[c&15])
	}
	return string(append(b, '"'))
}
