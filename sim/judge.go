package sim

import (
	"time"

	"weir"
)

// Window widths and bounds of a run's measures.
const (
	judgeWindow   = 5 * time.Minute  // width of the windows of arrivals for attainment
	worthJudging  = 50               // least number of requests for a window to count
	goodWindow    = 0.99             // attainment below which a window is violated
	reversalAfter = 10 * time.Minute // a change of direction within this time is a reversal
	windowsInHour = int(time.Hour / judgeWindow)
)

// judge holds a run's measures. Its memory grows with the length of the run,
// not with the number of requests.
type judge struct {
	start   weir.Instant
	slo     SLO
	windows []share // by arrival
	ttft    histogram
	tpot    histogram
	whole   histogram
	all     share

	slot  time.Duration // width of slots; 0: none are kept
	slots []share       // by arrival, for a search for a schedule

	recent     share // of requests that ended since the last point of the timeline
	recentTTFT histogram
	recentTPOT histogram
	tokens     uint64 // output tokens of attained requests

	changes   int
	reversals int
	last      map[int32]change // by deployment
}

type share struct{ total, attained uint64 }

func (s share) of() float64 {
	if s.total == 0 {
		return 1
	}
	return float64(s.attained) / float64(s.total)
}

type change struct {
	at weir.Instant
	up bool
}

func newJudge(start weir.Instant, slo SLO) judge {
	return judge{start: start, slo: slo, last: map[int32]change{}}
}

func (j *judge) window(at weir.Instant) *share {
	return shareOf(&j.windows, at.Sub(j.start), judgeWindow)
}
func (j *judge) slotOf(at weir.Instant) *share { return shareOf(&j.slots, at.Sub(j.start), j.slot) }

// shareOf returns the window of that width that contains a time.
func shareOf(list *[]share, at, width time.Duration) *share {
	i := int(at / width)
	for len(*list) <= i {
		*list = append(*list, share{})
	}
	return &(*list)[i]
}

func (j *judge) arrived(at weir.Instant) {
	j.window(at).total++
	j.all.total++
	if j.slot > 0 {
		j.slotOf(at).total++
	}
}

// missed counts a request that ended without an answer.
func (j *judge) missed() { j.recent.total++ }

// latency is an answered request's latency at the caller.
type latency struct{ ttft, tpot, whole time.Duration }

// completed judges an answered request.
func (j *judge) completed(arrived weir.Instant, l latency, prompt, output int) bool {
	j.ttft.add(l.ttft)
	j.recentTTFT.add(l.ttft)
	j.whole.add(l.whole)
	if output > 1 {
		j.tpot.add(l.tpot)
		j.recentTPOT.add(l.tpot)
	}
	j.recent.total++
	if l.ttft > j.slo.ttft(prompt) || l.tpot > j.slo.TPOT {
		return false
	}
	j.window(arrived).attained++
	j.all.attained++
	if j.slot > 0 {
		j.slotOf(arrived).attained++
	}
	j.recent.attained++
	j.tokens += uint64(output)
	return true
}

// scaled notes a change of the wanted number of replicas.
func (j *judge) scaled(now weir.Instant, p *part, by int) {
	j.changes++
	was, any := j.last[p.index]
	if any && was.up != (by > 0) && now.Sub(was.at) <= reversalAfter {
		j.reversals++
	}
	j.last[p.index] = change{now, by > 0}
}

// worst returns the lowest attainment over n consecutive windows with enough
// requests; 1 when there are none.
func (j *judge) worst(n int) float64 {
	worst := 1.0
	for i := 0; i+n <= len(j.windows); i++ {
		var s share
		for _, w := range j.windows[i : i+n] {
			s.total += w.total
			s.attained += w.attained
		}
		if s.total >= worthJudging {
			worst = min(worst, s.of())
		}
	}
	return worst
}

// violated returns the total time of windows below goodWindow.
func (j *judge) violated() time.Duration {
	var d time.Duration
	for _, w := range j.windows {
		if w.total >= worthJudging && w.of() < goodWindow {
			d += judgeWindow
		}
	}
	return d
}
