package ticks

import "time"

// course is what happens in a case: only those that record need it.
type course struct {
	lasts time.Duration
	load  func(at time.Duration) float64 // requests; for utilisation, replicas kept busy
	loses time.Duration                  // then half of the ready replicas fail and start again; 0: never
	finer bool                           // the original sees the load between ticks too
}

// Before is the level a second before a row, for an original that looks every
// second; that of the row itself in cases where both are to see the same.
func (c *Case) Before(r Row) float64 {
	if c.finer {
		return c.load(r.At - time.Second)
	}
	return r.Signal
}

// Original is an autoscaler: given a tick, it says what it wants. It is asked
// in order of time, once a tick.
type Original func(Row) (want int, err error)

// Record runs the original over the course and keeps the rows. From is the
// time of its first tick.
func (c *Case) Record(from time.Duration, original Original) error {
	f := fleet{cold: c.Cold, ready: c.Start}
	lost := c.loses == 0
	c.Rows = nil
	for at := from; at < c.lasts; at += c.Every {
		f.advance(at)
		if !lost && at >= c.loses {
			lost = true
			f.lose(at, f.ready/2)
		}
		r := Row{At: at, Signal: c.load(at), Ready: f.ready, Starting: len(f.starting)}
		if c.Policy == "hpa" {
			r.Signal = utilisation(r.Signal, f.ready)
		}
		want, err := original(r)
		if err != nil {
			return err
		}
		r.Want = min(max(want, c.Min), c.Max)
		c.Rows = append(c.Rows, r)
		f.scale(at, r.Want)
	}
	return nil
}

// utilisation is that of ready replicas when so many could be kept busy, in
// whole percent, as engines report it.
func utilisation(busy float64, ready int) float64 {
	if busy >= float64(ready) {
		return 1
	}
	return float64(int(100*busy/float64(ready)+0.5)) / 100
}

// fleet is replicas that start in the same time and stop at once.
type fleet struct {
	cold     time.Duration
	ready    int
	starting []time.Duration // when each is ready, in order
}

func (f *fleet) advance(now time.Duration) {
	for len(f.starting) > 0 && f.starting[0] <= now {
		f.starting = f.starting[1:]
		f.ready++
	}
}

func (f *fleet) lose(now time.Duration, n int) {
	f.ready -= n
	for range n {
		f.starting = append(f.starting, now+f.cold)
	}
}

// scale stops those that start before those that are ready.
func (f *fleet) scale(now time.Duration, want int) {
	for f.ready+len(f.starting) < want {
		f.starting = append(f.starting, now+f.cold)
	}
	drop := f.ready + len(f.starting) - want
	for ; drop > 0 && len(f.starting) > 0; drop-- {
		f.starting = f.starting[:len(f.starting)-1]
	}
	f.ready -= max(drop, 0)
}
