package scale

import (
	"math"
	"time"
)

// Outlook is the state of the forecasters. At every bin each one forecasts the
// load at the time when a replica requested now would be ready, and its past
// forecasts are scored.
//
// The score is the pinball loss at the policy's quantile and at that horizon;
// the forecaster with the lowest loss is used. Each learns a margin of its own,
// and the load stays below forecast plus margin as often as the quantile says.
// One forecast is the present load: if none is clearly better, there is no
// forecast. A forecast can only raise the number of replicas.
//
// The unit is the load of Sample: nominal replica-seconds of work per second,
// or requests per second where tokens are unknown.
type Outlook struct {
	From    Sample    `json:"from,omitzero"` // start of the current bin
	Width   float64   `json:"width"`         // seconds, mean of the last bins
	Recent  []float32 `json:"recent"`        // load of the last bins, for the mean over a minute; at most maxRecent
	Level   float64   `json:"level"`         // Holt's, damped
	Trend   float64   `json:"trend"`         // per bin
	Top     float64   `json:"top"`           // highest recent load; falls by half in about an hour
	Season  Season    `json:"season"`
	Methods [4]Method `json:"methods"`  // in the order of methodNames
	Pending []Said    `json:"pending"`  // not yet due, oldest first; at most maxAhead
	Pick    int       `json:"pick"`     // index of the method in use
	PerLoad float64   `json:"per_load"` // replicas needed per unit of load
}

// Said is each method's forecast at one bin.
type Said [4]float32

// Method is one forecaster's record.
type Method struct {
	Margin float64 `json:"margin"` // relative to the load, added to its forecasts
	Loss   float64 `json:"loss"`   // recent mean pinball loss
	Judged int     `json:"judged"` // forecasts scored, up to enoughJudged
}

const (
	byNow = iota
	byLast
	byTrend
	bySeason
)

var methodNames = [4]string{"now", "last value", "trend", "season"}

const (
	maxRecent    = 12
	maxAhead     = 60
	enoughJudged = 24 // forecasts scored before a method may be used

	levelGain   = 0.35
	trendGain   = 0.10
	trendDamp   = 0.93 // of the trend, for each bin further ahead
	marginGain  = 0.1  // divided by the number of forecasts that one surprise makes wrong
	lossGain    = 0.02
	perLoadGain = 0.1
	worthSaying = 0.8 // a new method must have a loss below this part of the present load's loss
	topKeeps    = 2.0 // a forecast is at most this many times the highest recent load
)

// binWidth is a sixth of a cold start: short enough to follow a ramp, long
// enough for a meaningful mean.
func (p *Policy) binWidth() time.Duration {
	return min(max(p.ColdStart/6, 5*time.Second), time.Minute)
}

// load of a deployment between two samples, per second.
func (p *Policy) load(a, b Sample, ratio float64) float64 {
	dt := seconds(b.At.Sub(a.At))
	if dt <= 0 {
		return 0
	}
	if b.Prompt+b.Output == 0 {
		return float64(b.Arrived-a.Arrived) / dt
	}
	return p.work(b.Prompt-a.Prompt, b.Output-a.Output, ratio) / dt
}

// foresee closes the bin when it is full: it scores the forecasts that are due,
// and each method makes the next one.
func (t *turn) foresee() {
	f, now := &t.s.Future, sampled(t.o)
	if t.p.Forecast.Off {
		return
	}
	if f.From.At == 0 || t.fresh || !f.From.before(now) {
		f.From, f.Pending = now, nil
		return
	}
	width := now.At.Sub(f.From.At)
	if width < t.p.binWidth() {
		return
	}
	load := t.p.load(f.From, now, t.s.Answers.ratio())
	f.From = now
	if f.Width == 0 {
		f.Width = seconds(width)
	}
	f.Width += 0.2 * (seconds(width) - f.Width)
	f.Recent = push(f.Recent, float32(load), f.meanOver())
	f.Top = max(load, f.Top*math.Exp2(-seconds(width)/3600))

	mean := f.mean()
	f.judge(mean, t.p.Forecast.Quantile, f.ahead(t.cold))
	f.follow(load)
	f.Season.saw(now.At.Add(t.o.UTCOffset), mean)
	said := f.say(t.o, t.cold, mean)
	f.Pending = push(f.Pending, said, maxAhead)
}

// ahead is the horizon in bins: a cold start and one bin for the decision.
func (f *Outlook) ahead(cold time.Duration) int {
	return min(max(int(math.Ceil(seconds(cold)/f.Width))+1, 1), maxAhead)
}

// meanOver returns the number of bins in a minute.
func (f *Outlook) meanOver() int {
	return min(max(int(60/f.Width+0.5), 1), maxRecent)
}

// mean returns the load over the last minute, which is what is forecast. Within
// a minute chance dominates; the queue and Safety's headroom absorb it.
func (f *Outlook) mean() float64 {
	sum := 0.0
	for _, v := range f.Recent {
		sum += float64(v)
	}
	return sum / float64(max(len(f.Recent), 1))
}

// judge scores the forecasts that are due.
func (f *Outlook) judge(came, quantile float64, ahead int) {
	for len(f.Pending) >= ahead {
		said := f.Pending[0]
		f.Pending = f.Pending[1:]
		for i := range f.Methods {
			f.Methods[i].judge(i, float64(said[i]), came, quantile, f.Top, marginGain/float64(ahead))
		}
	}
	best, least := byNow, worthSaying*f.Methods[byNow].Loss
	for i := range f.Methods {
		if m := &f.Methods[i]; i != byNow && m.Judged >= enoughJudged && m.Loss < least {
			best, least = i, m.Loss
		}
	}
	// The method in use stays until another is better by more than chance, or
	// the present load is.
	if have := &f.Methods[f.Pick]; f.Pick == byNow || f.Methods[best].Loss < 0.95*have.Loss || have.Loss > f.Methods[byNow].Loss {
		f.Pick = best
	}
}

// judge scores one forecast. The pinball loss weighs load above the forecast by
// quantile and load below it by the rest; the quantile minimises it. The margin
// rises and falls in the same proportion. It settles where the load stays below
// as often as it should.
func (m *Method) judge(i int, said, came, quantile, top, climb float64) {
	if said < 0 {
		return // the method had no forecast
	}
	unit := scaleOf(said, top)
	with := said + m.Margin*unit
	loss := (1 - quantile) * (with - came)
	step := -(1 - quantile)
	if came > with {
		loss, step = quantile*(came-with), quantile
	}
	gain := max(lossGain, 1/float64(m.Judged+1))
	m.Loss += gain * (loss - m.Loss)
	m.Judged = min(m.Judged+1, enoughJudged)
	if unit > 0 {
		m.Margin = min(max(m.Margin+climb*step, 0), 2)
	}
}

// scaleOf is the unit of a margin: the forecast or, at low load, a tenth of the
// highest recent load, because a few requests can double a low load.
func scaleOf(said, top float64) float64 { return max(said, top/10) }

// follow is Holt's method: a level, and the trend by which it rises.
func (f *Outlook) follow(load float64) {
	if len(f.Recent) == 1 && f.Level == 0 {
		f.Level = load
		return
	}
	before := f.Level
	f.Level = levelGain*load + (1-levelGain)*(f.Level+trendDamp*f.Trend)
	f.Trend = trendGain*(f.Level-before) + (1-trendGain)*trendDamp*f.Trend
}

// say returns every method's forecast for the horizon; -1 where it has none.
func (f *Outlook) say(o *Observation, cold time.Duration, mean float64) Said {
	ahead := f.ahead(cold)
	damped := trendDamp * (1 - math.Pow(trendDamp, float64(ahead))) / (1 - trendDamp)
	limit := topKeeps * f.Top
	said := Said{
		byNow:   float32(mean),
		byLast:  float32(max(f.Level, 0)),
		byTrend: float32(min(max(f.Level+damped*f.Trend, 0), limit)),
	}
	said[bySeason] = -1
	local := o.Now.Add(o.UTCOffset)
	if v, ok := f.Season.ahead(local, local.Add(cold), mean); ok {
		said[bySeason] = float32(min(v, limit))
	}
	return said
}

// forecast raises the number to the need expected when a replica requested now
// would be ready. The part of the margin that covers chance is left out: the
// headroom for the present load already covers it.
func (t *turn) forecast() {
	f := &t.s.Future
	if t.stale || t.p.Forecast.Off || f.Pick == byNow || len(f.Pending) == 0 {
		return
	}
	last := f.Pending[len(f.Pending)-1]
	said, now := float64(last[f.Pick]), float64(last[byNow])
	if said < 0 {
		return
	}
	m, naive := f.Methods[f.Pick], f.Methods[byNow]
	load := said + m.Margin*scaleOf(said, f.Top) - naive.Margin*scaleOf(now, f.Top)
	most := t.needFor(load)
	t.raise(RuleForecast, Whole(most), "%.3g replicas for the load forecast %v ahead (%s)", most, t.cold.Round(time.Second), methodNames[f.Pick])
}

// needFor returns how many replicas a load calls for.
func (t *turn) needFor(load float64) float64 {
	f := &t.s.Future
	most := f.PerLoad * load
	if t.p.use() == 0 && t.s.Learned.Factor > 0 && t.s.Learned.Confidence() >= trusted {
		most = max(most, staffed(load/t.s.Learned.Factor, t.workMargin()))
	}
	if t.rates.load > 0 {
		if held, ok := t.heldAlone(); ok {
			grown := min(max(load/t.rates.load, 1), topKeeps)
			most = max(most, t.slotsFor(held*grown, t.rates.prefill*grown))
		}
	}
	return most
}

// weigh remembers how many replicas a unit of load calls for. It does so only
// without a surge and without waiting requests: then signals and load are of
// the same minute.
func (t *turn) weigh() {
	f := &t.s.Future
	if t.stale || !t.rates.known || t.rates.load <= 0 || t.rates.surge || t.queued() > 0 {
		return
	}
	most := 0.0
	for _, signal := range [...]func(*turn) (need, bool){(*turn).requests, (*turn).concurrency} {
		if n, ok := signal(t); ok {
			most = max(most, n.replicas)
		}
	}
	if use := t.p.use(); use > 0 && t.s.Learned.Factor > 0 {
		most = max(most, t.rates.load/(use*t.s.Learned.Factor))
	}
	switch per := most / t.rates.load; {
	case most == 0:
		f.PerLoad = 0
	case f.PerLoad == 0:
		f.PerLoad = per
	default:
		f.PerLoad += perLoadGain * (per - f.PerLoad)
	}
}
