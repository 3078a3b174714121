package plan

import (
	"errors"
	"fmt"
	"time"

	"weir"
)

// MinutesPerMonth is the month of all of a plan's figures: 730 hours, as on
// Azure's price pages.
const MinutesPerMonth = 730 * 60

// MaxMinutes bounds the length of a counted demand: one leap year.
const MaxMinutes = 366 * 24 * 60

// Minute is the demand of one minute.
type Minute struct {
	Requests float64
	Input    float64 // prompt tokens, cached ones included
	Cached   float64 // of Input, those the service would have in its prompt cache
	Output   float64 // tokens produced
}

func (m Minute) times(x float64) Minute {
	return Minute{m.Requests * x, m.Input * x, m.Cached * x, m.Output * x}
}

func (m Minute) plus(o Minute) Minute {
	return Minute{m.Requests + o.Requests, m.Input + o.Input, m.Cached + o.Cached, m.Output + o.Output}
}

// Tokens is input and output together.
func (m Minute) Tokens() float64 { return m.Input + m.Output }

// Demand is the demand for a model, and the constraints of the answer. Shares
// are from 0 to 1.
type Demand struct {
	Model     string // of Azure OpenAI, by its catalogue name; "" compares only own replicas
	OpenModel string // model of own replicas; "" compares none
	DType     string // format of OpenModel's weights (see fit.Quants); "" is as published
	Region    string // Azure region of VM and regional prices
	Estimate  string // region whose prices replace missing ones of Region; "": such alternatives have no price

	// Minutes are in order of time. They represent a month: each
	// MinutesPerMonth/len(Minutes) of its minutes.
	Minutes []Minute

	SLO     weir.SLO
	Batch   float64 // share of requests that may wait a day
	Smaller Smaller // share of requests a smaller model may answer
	Answers float64 // share of requests a response cache would answer without a model
	Long    float64 // share of requests whose context the service charges as long
	Writes  float64 // share of the input not in the service's prompt cache that is written to it
	Quota   Quota
	Today   int // PTUs deployed now; 0: none, or not given
}

// Smaller is a smaller model and the share of requests that accept it.
type Smaller struct {
	Model string
	Share float64
}

// Quota is the subscription's quota. A nil part is unknown and does not bound.
type Quota struct {
	PTUs  *int     // provisioned throughput units
	TPM   *float64 // tokens a minute of pay-as-you-go
	VCPUs *int     // of one GPU VM family
}

// Validate names every fault.
func (d Demand) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("plan: "+format, args...)) }
	if d.Model == "" && d.OpenModel == "" {
		fault("no model: name one of Azure OpenAI, an open one, or both")
	}
	if n := len(d.Minutes); n == 0 || n > MaxMinutes {
		fault("%d minutes of demand: from 1 to %d are needed", n, MaxMinutes)
	}
	for i, m := range d.Minutes {
		// Written to fail for NaN too.
		if !(m.Requests >= 0 && m.Input >= 0 && m.Output >= 0 && m.Cached >= 0 && m.Cached <= m.Input &&
			m.Requests <= maxPerMinute && m.Input <= maxPerMinute && m.Output <= maxPerMinute) {
			fault("minute %d is %+v: counts are from 0 to %.0g, cached ones at most the input", i, m, float64(maxPerMinute))
			break // one fault is enough
		}
	}
	if len(d.Minutes) > 0 && !(d.Total().Requests > 0) {
		fault("the demand has no requests: at least one is needed")
	}
	for _, s := range []struct {
		name  string
		share float64
	}{{"batch", d.Batch}, {"smaller", d.Smaller.Share}, {"answers", d.Answers}, {"long", d.Long}, {"writes", d.Writes}} {
		if !(s.share >= 0 && s.share <= 1) {
			fault("share %s is %v: it must be from 0 to 1", s.name, s.share)
		}
	}
	if d.Smaller.Share > 0 && d.Smaller.Model == "" {
		fault("a share of %.0f %% accepts a smaller model, but none is named", 100*d.Smaller.Share)
	}
	if d.Smaller.Share > 0 && d.Smaller.Model != "" && d.Smaller.Model == d.Model {
		fault("%s is named as the smaller model of itself", d.Model)
	}
	if d.Today < 0 || d.SLO.TTFT < 0 || d.SLO.TPOT < 0 {
		fault("today's PTUs and latency targets cannot be negative")
	}
	return errors.Join(faults...)
}

// maxPerMinute bounds counts, to keep a month of them far below the limit of
// Money.
const maxPerMinute = 1e12

// Total is the demand of a month.
func (d Demand) Total() Minute {
	var t Minute
	for _, m := range d.Minutes {
		t = t.plus(m)
	}
	return t.times(d.stands())
}

// stands is the minutes of the month that one counted minute represents.
func (d Demand) stands() float64 { return MinutesPerMonth / float64(len(d.Minutes)) }

// Peak is the largest of each kind in one minute.
func (d Demand) Peak() Minute {
	var p Minute
	for _, m := range d.Minutes {
		p = Minute{max(p.Requests, m.Requests), max(p.Input, m.Input), max(p.Cached, m.Cached), max(p.Output, m.Output)}
	}
	return p
}

// each returns the demand with every minute changed.
func (d Demand) each(change func(Minute) Minute) Demand {
	minutes := make([]Minute, len(d.Minutes))
	for i, m := range d.Minutes {
		minutes[i] = change(m)
	}
	d.Minutes = minutes
	return d
}

// Constant is a demand that never changes.
func Constant(m Minute) []Minute { return []Minute{m} }

// Counter sums requests by the minute: a trace of any length takes the memory
// of its minutes. The zero value is ready.
type Counter struct {
	minutes []Minute
	whole   int // minutes that are over
}

// Add counts one request, at its time since the beginning.
func (c *Counter) Add(at time.Duration, input, cached, output int) error {
	n := int(at / time.Minute)
	if at < 0 || n >= MaxMinutes {
		return fmt.Errorf("plan: a request at %v: a demand is counted over at most %d days", at, MaxMinutes/(24*60))
	}
	for len(c.minutes) <= n {
		c.minutes = append(c.minutes, Minute{})
	}
	m := &c.minutes[n]
	m.Requests++
	m.Input += float64(input)
	m.Cached += float64(min(cached, input))
	m.Output += float64(output)
	if at%time.Minute > 55*time.Second {
		c.whole = max(c.whole, n+1)
	} else {
		c.whole = max(c.whole, n)
	}
	return nil
}

// Minutes are the counts. A last minute without requests after its first 55
// seconds was cut off, and is left out if there are others: it would look like
// a quiet one.
func (c *Counter) Minutes() []Minute { return c.minutes[:max(c.whole, min(1, len(c.minutes)))] }
