package load

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is the outcome of a play. Arrived = Skipped + Completed + Refused +
// Failed + Cancelled once Play has returned. All times count from the arrival
// in the trace: a late load tester does not flatter the server.
type Result struct {
	Elapsed   time.Duration
	Arrived   int // requests of the trace that became due
	Skipped   int // not sent: MaxInFlight were in flight
	Completed int // answered to the true end
	Refused   int // answered with 429 or 503
	Failed    int // anything else: other statuses, no answer, cut streams
	Cut       int // of Failed: the status was 200 and the stream had no finish
	Cancelled int // in flight when the play was ended
	Attained  int // of Completed: within the SLO
	Tokens    int // received, by the server's own count if it gives one

	TTFT, TPOT, Total Times
	Gap               Times // longest pause inside each stream

	Statuses map[int]int    // by HTTP status; 0: no answer
	Errors   map[string]int // by error, a bounded number of kinds

	slo SLO
}

// maxErrors bounds the kinds of Errors.
const maxErrors = 20

// Times is a distribution of durations, exact to three digits, from a
// microsecond to an hour.
type Times struct{ h *hdrhistogram.Histogram }

func newTimes() Times { return Times{hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3)} }

func (t Times) add(d time.Duration) {
	// A value out of range is counted at the edge: it must not vanish.
	us := min(max(d.Microseconds(), 1), t.h.HighestTrackableValue())
	_ = t.h.RecordValue(us) // cannot fail within the range
}

// Count is the number of durations.
func (t Times) Count() int { return int(t.h.TotalCount()) }

// Quantile returns the q-quantile, q in 0..1; 0 when there are none.
func (t Times) Quantile(q float64) time.Duration {
	return time.Duration(t.h.ValueAtQuantile(q*100)) * time.Microsecond
}

// Mean of all; 0 when there are none.
func (t Times) Mean() time.Duration { return time.Duration(t.h.Mean() * float64(time.Microsecond)) }

// MarshalJSON writes milliseconds.
func (t Times) MarshalJSON() ([]byte, error) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	return json.Marshal(map[string]any{
		"count": t.Count(), "mean_ms": ms(t.Mean()), "p50_ms": ms(t.Quantile(.5)),
		"p90_ms": ms(t.Quantile(.9)), "p99_ms": ms(t.Quantile(.99)), "max_ms": ms(t.Quantile(1)),
	})
}

func newResult(slo SLO) *Result {
	return &Result{
		TTFT: newTimes(), TPOT: newTimes(), Total: newTimes(), Gap: newTimes(),
		Statuses: map[int]int{}, Errors: map[string]int{}, slo: slo,
	}
}

func (r *Result) add(e end) {
	r.Statuses[e.status]++
	r.Tokens += e.tokens
	switch {
	case e.cancelled:
		r.Cancelled++
	case e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable:
		r.Refused++
	case e.status != http.StatusOK || e.err != nil:
		r.Failed++
		if e.cut {
			r.Cut++
		}
		r.note(e)
	default:
		r.complete(e)
	}
}

func (r *Result) complete(e end) {
	r.Completed++
	r.Total.add(e.total)
	var tpot time.Duration
	if e.tokens > 0 {
		r.TTFT.add(e.ttft)
	}
	if e.tokens > 1 {
		tpot = (e.last - e.ttft) / time.Duration(e.tokens-1)
		r.TPOT.add(tpot)
		r.Gap.add(e.gap)
	}
	if (r.slo.TTFT == 0 || e.ttft <= r.slo.TTFT) && (r.slo.TPOT == 0 || tpot <= r.slo.TPOT) {
		r.Attained++
	}
}

func (r *Result) note(e end) {
	what := fmt.Sprintf("status %d", e.status)
	if e.err != nil {
		what = reason(e.err)
	}
	if _, seen := r.Errors[what]; !seen && len(r.Errors) >= maxErrors {
		what = "others"
	}
	r.Errors[what]++
}

// MarshalJSON writes seconds and milliseconds, as the names say.
func (r *Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Elapsed    float64        `json:"elapsed_s"`
		Arrived    int            `json:"arrived"`
		Skipped    int            `json:"skipped"`
		Completed  int            `json:"completed"`
		Refused    int            `json:"refused"`
		Failed     int            `json:"failed"`
		Cut        int            `json:"cut"`
		Cancelled  int            `json:"cancelled"`
		Attained   int            `json:"attained"`
		Attainment float64        `json:"attainment"`
		Tokens     int            `json:"tokens"`
		TTFT       Times          `json:"ttft"`
		TPOT       Times          `json:"tpot"`
		Gap        Times          `json:"longest_pause"`
		Total      Times          `json:"total"`
		Statuses   map[int]int    `json:"statuses"`
		Errors     map[string]int `json:"errors"`
	}{
		r.Elapsed.Seconds(), r.Arrived, r.Skipped, r.Completed, r.Refused, r.Failed, r.Cut, r.Cancelled,
		r.Attained, r.Attainment(), r.Tokens, r.TTFT, r.TPOT, r.Gap, r.Total, r.Statuses, r.Errors,
	})
}

// Attainment is the share of arrived requests that met the SLO: skipped,
// refused, cancelled and failed ones did not.
func (r *Result) Attainment() float64 {
	if r.Arrived == 0 {
		return 0
	}
	return float64(r.Attained) / float64(r.Arrived)
}

// String is a table for people.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %.0f s: %d completed, %d refused, %d failed (%d cut streams), %d not sent\n",
		r.Arrived, r.Elapsed.Seconds(), r.Completed, r.Refused, r.Failed, r.Cut, r.Skipped)
	fmt.Fprintf(&b, "attained %.2f %%, %d tokens, %.0f a second\n", 100*r.Attainment(), r.Tokens, float64(r.Tokens)/max(r.Elapsed.Seconds(), 1e-9))
	fmt.Fprintf(&b, "%-14s %10s %10s %10s %10s %10s\n", "", "mean", "p50", "p90", "p99", "max")
	for _, row := range []struct {
		name string
		t    Times
	}{{"first token", r.TTFT}, {"per token", r.TPOT}, {"longest pause", r.Gap}, {"whole answer", r.Total}} {
		fmt.Fprintf(&b, "%-14s", row.name)
		for _, d := range []time.Duration{row.t.Mean(), row.t.Quantile(.5), row.t.Quantile(.9), row.t.Quantile(.99), row.t.Quantile(1)} {
			fmt.Fprintf(&b, " %7.1f ms", float64(d.Microseconds())/1e3)
		}
		b.WriteByte('\n')
	}
	for _, what := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(&b, "%6d x %s\n", r.Errors[what], what)
	}
	return b.String()
}
