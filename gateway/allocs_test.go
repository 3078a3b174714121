//go:build !race

package gateway

import (
	"math"
	"runtime"
	"testing"
)

// What one call of 1 KB allocates from the front to the upstream and back, the
// test's own caller and server included: counts, so that the machine and its load do
// not matter. They stand for the cost of a request where its instructions cannot be
// counted. A change that needs more changes them here, and says why.
const (
	recordedAllocs = 34.9
	recordedBytes  = 3800
	mayGrow        = 1.05
)

// The race detector drops pooled values now and then, hence the build tag.
func TestACallAllocatesWhatIsRecorded(t *testing.T) {
	answer, body := whole(1 << 10)
	call := driver(t, answer, body)
	round := func() (allocs, size float64) {
		const calls = 500
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			call()
		}
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / calls, float64(after.TotalAlloc-before.TotalAlloc) / calls
	}
	round() // pools and connections fill
	allocs, size := math.Inf(1), math.Inf(1)
	for range 5 { // the least: what else runs in this process allocates as well
		a, s := round()
		allocs, size = min(allocs, a), min(size, s)
	}
	t.Logf("%.2f allocations and %.0f bytes a call", allocs, size)
	if allocs > mayGrow*recordedAllocs || size > mayGrow*recordedBytes {
		t.Errorf("%.2f allocations and %.0f bytes a call; recorded are %.1f and %d, and 5 %% more are allowed", allocs, size, recordedAllocs, recordedBytes)
	}
}
