package emulate

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// Whatever comes, a bucket refuses above 100 % and only there, reports the true
// wait, and has drained or still holds exactly the usage.
func TestLawsOfThePTUBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drain := rapid.Float64Range(1, 1e6).Draw(t, "drain")
		b := newPTUBucket(drain, rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute}).Draw(t, "window"))
		now, used := weir.Instant(1), 0.0
		var open []float64 // bookings not corrected yet
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "later")))
			if len(open) > 0 && rapid.Bool().Draw(t, "ends") {
				booked := open[0]
				open = open[1:]
				cost := booked * rapid.Float64Range(0, 1.5).Draw(t, "true cost")
				b.correct(now, cost-booked)
				used += cost - booked
			} else {
				over := b.percent(now) > 100
				tokens := rapid.Float64Range(0, 3*b.full).Draw(t, "tokens")
				wait := b.take(now, tokens)
				if (wait > 0) != over {
					t.Fatalf("at %v %%: waits %v", b.percent(now), wait)
				}
				if over {
					later := *b
					if p := later.percent(now.Add(wait + time.Millisecond)); p > 100 {
						t.Fatalf("told to wait %v: %v %% are left then", wait, p)
					}
					continue
				}
				used += tokens
				open = append(open, tokens)
			}
			if b.level < 0 || math.Abs(b.worked+b.level-used) > 1e-6*(1+math.Abs(used)) {
				t.Fatalf("holds %v, worked off %v, used %v", b.level, b.worked, used)
			}
		}
	})
}

// No window has more requests than its share, and no minute has more tokens
// than the limit and one request.
func TestLawsOfTheStandardQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rpm := rapid.IntRange(1, 5000).Draw(t, "rpm")
		q := newTPMQuota(rapid.IntRange(1, 1_000_000).Draw(t, "tpm"), rpm)
		if perMinute := float64(q.most) * float64(time.Minute/q.window); perMinute > float64(rpm) && q.most > 1 {
			t.Fatalf("%d in %v are %v a minute: the limit is %d", q.most, q.window, perMinute, rpm)
		}
		now, largest := weir.Instant(1), 0
		served, tokens := map[weir.Instant]int{}, map[weir.Instant]int{}
		for range rapid.IntRange(1, 100).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "later")))
			n := rapid.IntRange(1, 300_000).Draw(t, "tokens")
			wait, _ := q.take(now, n)
			if wait < 0 || wait > time.Minute {
				t.Fatalf("waits %v", wait)
			}
			if wait > 0 {
				continue
			}
			largest = max(largest, n)
			served[q.began]++
			tokens[q.minute] += n
			if served[q.began] > q.most || tokens[q.minute] >= q.tpm+largest {
				t.Fatalf("%d requests in a window of %d, %d tokens in a minute of %d", served[q.began], q.most, tokens[q.minute], q.tpm)
			}
		}
	})
}
