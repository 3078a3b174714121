package plan

import (
	"fmt"

	"weir"
)

// Answer is everything a plan says.
type Answer struct {
	Demand    Summary     `json:"demand"`
	Sizing    []Sizing    `json:"sizing,omitempty"`
	Options   []Option    `json:"alternatives"` // for the whole demand, without measures; what can be had first, cheapest first
	Advice    Mix         `json:"recommendation"`
	Plain     Mix         `json:"without_measures"` // the cheapest when no measure is taken
	Compared  Compared    `json:"compared"`
	Words     []string    `json:"words"` // the recommendation, and what to know of it
	Measures  []Measure   `json:"measures,omitempty"`
	BreakEven []BreakEven `json:"break_even,omitempty"`
	Cases     []Case      `json:"sensitivity"`
	Curve     Curve       `json:"curve"`
	Services  []Service   `json:"services"`
	Simulated *Simulated  `json:"simulated,omitempty"` // when Simulate was asked for
	Bills     []Bills     `json:"bills,omitempty"`
	Today     *Today      `json:"today,omitempty"`
	Assumed   []string    `json:"assumed"`
	Figures   []Figure    `json:"figures"`           // that were used
	Missing   []string    `json:"missing,omitempty"` // figures the catalogue lacks
	Stale     []string    `json:"stale,omitempty"`   // sources older than price.StaleAfter
}

// Best is the cheapest alternative that can be had and whose price is known;
// false when there is none.
func (a Answer) Best() (Option, bool) { return best(a.Options) }

func best(options []Option) (Option, bool) {
	if len(options) == 0 || !options[0].Available() {
		return Option{}, false
	}
	return options[0], true
}

// Summary is the demand in a few figures; a month of it, and its peak.
type Summary struct {
	Model     string  `json:"model,omitempty"`
	OpenModel string  `json:"open_model,omitempty"`
	Region    string  `json:"region,omitempty"`
	Minutes   int     `json:"minutes"` // that were counted
	Requests  float64 `json:"requests_month"`
	Input     float64 `json:"input_tokens_month"`
	Cached    float64 `json:"cached_tokens_month"` // of the input
	Output    float64 `json:"output_tokens_month"`
	PeakRPM   float64 `json:"peak_requests_minute"`
	PeakTPM   float64 `json:"peak_tokens_minute"`
}

func describe(d Demand) Summary {
	t := d.Total()
	s := Summary{Model: d.Model, OpenModel: d.OpenModel, Region: d.Region, Minutes: len(d.Minutes),
		Requests: t.Requests, Input: t.Input, Cached: t.Cached, Output: t.Output, PeakRPM: d.Peak().Requests}
	for _, m := range d.Minutes {
		s.PeakTPM = max(s.PeakTPM, m.Tokens())
	}
	return s
}

// Kind is a way to serve.
type Kind string

const (
	PayAsYouGo  Kind = "pay_as_you_go"
	Provisioned Kind = "provisioned" // sized for the peak minute
	Spillover   Kind = "spillover"   // provisioned, and pay-as-you-go for what does not fit
	Own         Kind = "own"         // replicas on GPUs of one's own
)

// Option is one way to serve the demand.
type Option struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Kind  Kind   `json:"kind"`
	SKU   string `json:"sku,omitempty"`   // deployment type, or VM size
	Spill string `json:"spill,omitempty"` // deployment type of what spills over
	Term  Term   `json:"term,omitempty"`
	Place string `json:"place,omitempty"` // of own replicas: managed_online or aks

	PTUs        int     `json:"ptus,omitempty"`
	VMs         int     `json:"vms,omitempty"`      // at the peak
	Replicas    int     `json:"replicas,omitempty"` // at the peak
	TP          int     `json:"tensor_parallel,omitempty"`
	Rate        float64 `json:"replica_rps,omitempty"`   // requests a second one replica does within the SLO
	Spilled     float64 `json:"spilled_share,omitempty"` // of the load
	Utilisation float64 `json:"utilisation,omitempty"`   // of what is paid for by time, mean

	Month      weir.Money `json:"month_dollars"`
	PerMillion weir.Money `json:"per_million_tokens_dollars"` // input and output together
	PerRequest weir.Money `json:"per_request_dollars"`
	Lines      []Line     `json:"lines,omitempty"` // the arithmetic: their sum is Month
	Binds      []Bind     `json:"binds,omitempty"`
	Notes      []string   `json:"notes,omitempty"` // what else to know

	Estimated string   `json:"estimated_from_region,omitempty"` // whose prices these are; "": of the demand's own
	Missing   []string `json:"missing,omitempty"`               // figures without which it has no price
	Refused   string   `json:"refused,omitempty"`               // why it cannot be had; "" it can
}

// Available reports whether the option can be had, at a price that is known.
func (o Option) Available() bool { return len(o.Missing) == 0 && o.Refused == "" }

// Title names the option with how many of it.
func (o Option) Title() string {
	name := o.Name
	if o.Estimated != "" {
		name += " (estimated, prices of " + o.Estimated + ")"
	}
	switch {
	case o.PTUs > 0:
		return fmt.Sprintf("%d %s", o.PTUs, name)
	case o.VMs > 0:
		return fmt.Sprintf("%d x %s", o.VMs, name)
	}
	return name
}

// Line is one part of a bill.
type Line struct {
	What   string     `json:"what"`
	Amount weir.Money `json:"dollars"`
}

// Bind is what holds an option where it is.
type Bind struct {
	What string `json:"what"` // one of the Binds constants
	Why  string `json:"why"`
}

// What binds.
const (
	BindsLatency = "latency"
	BindsMemory  = "memory"
	BindsQuota   = "quota"
	BindsMinimum = "minimum"
	BindsLimit   = "limit" // of the service
)

// Term is how long something is rented for.
type Term string

const (
	Hourly  Term = "hour"
	Monthly Term = "month"
	Yearly  Term = "year"
	Three   Term = "three_years"
	Spot    Term = "spot"
)

// Sizing is how many PTUs would carry the peak minute.
type Sizing struct {
	SKU       string  `json:"sku"`
	Exact     float64 `json:"exact"`
	PTUs      int     `json:"ptus"`
	Minimum   int     `json:"minimum"`
	Increment int     `json:"increment"`
}

// BreakEven is from which utilisation on a PTU is cheaper than pay-as-you-go
// for the mix of tokens of the demand.
type BreakEven struct {
	SKU         string     `json:"sku"`
	Term        Term       `json:"term"`
	PTUMonth    weir.Money `json:"ptu_month_dollars"`           // what one PTU costs a month
	Worth       weir.Money `json:"worth_month_dollars"`         // what it carries a month, fully used, at pay-as-you-go
	Tokens      float64    `json:"normalised_tokens_per_month"` // that it carries, fully used
	Utilisation float64    `json:"utilisation"`                 // PTUMonth/Worth; above 1: never
}

// Today is how well the PTUs deployed now are used.
type Today struct {
	PTUs        int     `json:"ptus"`
	Utilisation float64 `json:"utilisation"`       // of the load they carry, mean
	Over        float64 `json:"over_share"`        // of the load that does not fit them
	Full        float64 `json:"full_minute_share"` // of minutes in which they are full
}

// Figure is one figure of the catalogue a plan used.
type Figure struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Date   string `json:"date,omitempty"`
}
