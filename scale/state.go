package scale

import (
	"slices"
	"time"

	"weir"
)

// State is Decide's state between steps. It is a bounded value (a few
// kilobytes, most of it the weekly profile) and marshals to JSON and back
// without loss. The zero State is a scaler that has just started: it knows
// nothing and holds the running replicas. Its fields are for reading; only
// Decide and the baselines write them.
type State struct {
	Now     weir.Instant `json:"now"`             // of the last step
	Started weir.Instant `json:"started"`         // of the first step, or the first after a gap
	Active  weir.Instant `json:"active"`          // when a request last arrived, waited, was in flight or ended
	Seen    uint64       `json:"seen"`            // requests arrived and completed, as of the last step
	Want    int          `json:"want"`            // last decision
	Samples []Sample     `json:"samples"`         // of the totals, for rates; at most maxSamples
	Cold    []int64      `json:"cold"`            // last cold starts seen, milliseconds; at most maxColds
	Peaks   []Peak       `json:"peaks"`           // recently needed numbers, falling; at most maxPeaks
	Steady  []Peak       `json:"steady"`          // the same without the backlog's part
	Learned Learned      `json:"learned"`         // capacity of a replica
	Answers Answers      `json:"answers"`         // real length of answers against the expected length
	Chance  Chance       `json:"chance"`          // random variation of the arriving work
	Safety  Safety       `json:"safety"`          // headroom for that variation
	Reach   Reach        `json:"reach,omitzero"`  // requests that no number of replicas serves in time
	GPU     Sustained    `json:"gpu"`             // GPU utilisation over time
	Future  Outlook      `json:"future"`          // forecasters
	Breaker Breaker      `json:"breaker"`         // after a stock-out
	Regret  Regret       `json:"regret"`          // scale-ins that were followed by a scale-out
	TooFew  TooFew       `json:"too_few"`         // a number that was tried and was too few
	Memory  Memory       `json:"memory,omitzero"` // of the baselines; unchanged by Decide
}

// Sample is the totals at one time.
type Sample struct {
	At       weir.Instant  `json:"at"`
	Arrived  uint64        `json:"n"`
	Prompt   uint64        `json:"p"` // arrived
	Output   uint64        `json:"o"` // arrived
	Prefill  uint64        `json:"dp"`
	Decode   uint64        `json:"do"`
	Attained uint64        `json:"a"`
	Missed   uint64        `json:"m"`
	Done     uint64        `json:"d"` // requests completed
	Flying   int           `json:"f"` // requests in flight, a level
	Gaps     uint64        `json:"g,omitempty"`
	GapTime  time.Duration `json:"gt,omitempty"`
}

// Peak is a number of replicas that was needed, with the last time.
type Peak struct {
	At   weir.Instant `json:"at"`
	N    int          `json:"n"`
	Near bool         `json:"near,omitempty"` // slightly less was needed
}

const (
	maxSamples = 64
	maxColds   = 16
	maxPeaks   = 48

	levelWindow = 3 * time.Minute  // for the level of demand without a rise
	longWindow  = time.Minute      // for a rise
	shortWindow = 10 * time.Second // for a surge
	gapAfter    = 2 * time.Minute  // a longer gap between steps counts as a restart
)

// sampled returns o's totals.
func sampled(o *Observation) Sample {
	return Sample{
		At: o.Now, Arrived: o.Arrived, Prompt: o.ArrivedPrompt, Output: o.ArrivedOutput,
		Prefill: o.DonePrompt, Decode: o.DoneOutput,
		Attained: o.Attained, Missed: o.Missed, Done: o.Completed, Flying: o.InFlight, Gaps: o.Gaps, GapTime: o.GapTime,
	}
}

// before says whether a can precede b: no total has shrunk.
func (a Sample) before(b Sample) bool {
	return a.At <= b.At && a.Arrived <= b.Arrived && a.Prompt <= b.Prompt && a.Output <= b.Output &&
		a.Prefill <= b.Prefill && a.Decode <= b.Decode && a.Done <= b.Done && a.Attained <= b.Attained && a.Missed <= b.Missed && a.Gaps <= b.Gaps && a.GapTime <= b.GapTime
}

// remember adds the totals of o. If totals shrank, the gateway has restarted
// and older samples are invalid.
func (s *State) remember(o *Observation) {
	now := sampled(o)
	if n := len(s.Samples); n > 0 {
		last := s.Samples[n-1]
		if !last.before(now) {
			s.Samples = nil
		} else if now.At.Sub(last.At) < levelWindow/(maxSamples-2) {
			return
		}
	}
	s.Samples = push(s.Samples, now, maxSamples)
}

// since returns the newest sample that is at least d old, or the oldest one.
func (s *State) since(now weir.Instant, d time.Duration) (Sample, bool) {
	if len(s.Samples) == 0 {
		return Sample{}, false
	}
	for i := len(s.Samples) - 1; i > 0; i-- {
		if now.Sub(s.Samples[i].At) >= d {
			return s.Samples[i], true
		}
	}
	return s.Samples[0], true
}

// push appends v to a list of at most limit, in a new array: a State that was
// handed out is never changed.
func push[T any](list []T, v T, limit int) []T {
	if over := len(list) + 1 - limit; over > 0 {
		list = list[over:]
	}
	return append(slices.Clip(list), v)
}

// sawStarts learns the cold starts of replicas that became ready since the
// last step.
func (s *State) sawStarts(o *Observation) {
	for i := range o.Replicas {
		r := &o.Replicas[i]
		if s.Now != 0 && r.State == weir.Ready && r.ReadyAt > s.Now && r.ReadyAt <= o.Now && r.Asked > 0 && r.ReadyAt >= r.Asked {
			s.Cold = push(s.Cold, r.ReadyAt.Sub(r.Asked).Milliseconds(), maxColds)
		}
	}
}

// coldStart returns a quantile of the cold starts seen, or the policy's value
// until three were seen.
func (s *State) coldStart(p *Policy, quantile float64) time.Duration {
	if len(s.Cold) < 3 {
		return p.ColdStart
	}
	sorted := slices.Sorted(slices.Values(s.Cold))
	i := int(quantile*float64(len(sorted)-1) + 0.5)
	return time.Duration(sorted[i]) * time.Millisecond
}

// needed adds a number of replicas needed now to a list of peaks. Peaks fall
// strictly: the first one inside a window is its maximum.
func needed(peaks []Peak, p Peak) []Peak {
	keep := len(peaks)
	for keep > 0 && peaks[keep-1].N <= p.N {
		keep--
	}
	peaks = push(peaks[:keep], p, maxPeaks+1)
	if len(peaks) > maxPeaks {
		// Two neighbours are merged: as high as the first and as late as the
		// second. The result holds a little longer, never shorter.
		peaks[1].N, peaks[1].Near = peaks[0].N, peaks[0].Near
		peaks = peaks[1:]
	}
	return peaks
}

// peak returns the highest number needed within d before now.
func peak(peaks []Peak, now weir.Instant, d time.Duration) (Peak, bool) {
	for _, p := range peaks {
		if now.Sub(p.At) <= d {
			return p, true
		}
	}
	return Peak{}, false
}

// within drops peaks older than d.
func within(peaks []Peak, now weir.Instant, d time.Duration) []Peak {
	for len(peaks) > 0 && now.Sub(peaks[0].At) > d {
		peaks = peaks[1:]
	}
	return peaks
}
