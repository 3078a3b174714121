package plan

import (
	"fmt"

	"weir"
)

// Answer is the result of a plan.
type Answer struct {
	Demand    Summary     `json:"demand"`
	Sizing    []Sizing    `json:"sizing,omitempty"`
	Options   []Option    `json:"alternatives"` // for the whole demand, without measures; available ones first, cheapest first
	Advice    Mix         `json:"recommendation"`
	Plain     Mix         `json:"without_measures"` // the cheapest without measures
	Compared  Compared    `json:"compared"`
	Words     []string    `json:"words"` // the recommendation, with notes
	Measures  []Measure   `json:"measures,omitempty"`
	BreakEven []BreakEven `json:"break_even,omitempty"`
	Cases     []Case      `json:"sensitivity"`
	Curve     Curve       `json:"curve"`
	Services  []Service   `json:"services"`
	Simulated *Simulated  `json:"simulated,omitempty"` // if Simulate was called
	Bills     []Bills     `json:"bills,omitempty"`
	Today     *Today      `json:"today,omitempty"`
	Assumed   []string    `json:"assumed"`
	Figures   []Figure    `json:"figures"`           // the figures used
	Missing   []string    `json:"missing,omitempty"` // figures the catalogue lacks
	Stale     []string    `json:"stale,omitempty"`   // sources older than price.StaleAfter
}

// Best is the cheapest available alternative with a known price; false if there
// is none.
func (a Answer) Best() (Option, bool) { return best(a.Options) }

func best(options []Option) (Option, bool) {
	if len(options) == 0 || !options[0].Available() {
		return Option{}, false
	}
	return options[0], true
}

// Summary is the demand of a month and its peak, in a few figures.
type Summary struct {
	Model     string  `json:"model,omitempty"`
	OpenModel string  `json:"open_model,omitempty"`
	Region    string  `json:"region,omitempty"`
	Minutes   int     `json:"minutes"` // counted minutes
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
	Spillover   Kind = "spillover"   // provisioned, and pay-as-you-go for the overflow
	Own         Kind = "own"         // replicas on one's own GPUs
)

// Option is one way to serve the demand.
type Option struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Kind  Kind   `json:"kind"`
	SKU   string `json:"sku,omitempty"`   // deployment type, or VM size
	Spill string `json:"spill,omitempty"` // deployment type of the overflow
	Term  Term   `json:"term,omitempty"`
	Place string `json:"place,omitempty"` // of own replicas: managed_online or aks

	PTUs        int     `json:"ptus,omitempty"`
	VMs         int     `json:"vms,omitempty"`      // at the peak
	Replicas    int     `json:"replicas,omitempty"` // at the peak
	TP          int     `json:"tensor_parallel,omitempty"`
	Rate        float64 `json:"replica_rps,omitempty"`   // requests per second of one replica within the SLO
	Spilled     float64 `json:"spilled_share,omitempty"` // of the load
	Utilisation float64 `json:"utilisation,omitempty"`   // of the capacity paid for by time, mean

	Month      weir.Money `json:"month_dollars"`
	PerMillion weir.Money `json:"per_million_tokens_dollars"` // input and output together
	PerRequest weir.Money `json:"per_request_dollars"`
	Lines      []Line     `json:"lines,omitempty"` // the bill: their sum is Month
	Binds      []Bind     `json:"binds,omitempty"`
	Notes      []string   `json:"notes,omitempty"` // other notes

	Estimated string   `json:"estimated_from_region,omitempty"` // whose prices these are; "": of the demand's own
	Missing   []string `json:"missing,omitempty"`               // figures missing for a price
	Refused   string   `json:"refused,omitempty"`               // why it cannot be had; "" it can
}

// Available says whether the option can be bought, at a known price.
func (o Option) Available() bool { return len(o.Missing) == 0 && o.Refused == "" }

// Title is the option's name with its quantity.
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

// Bind is a bound on an option.
type Bind struct {
	What string `json:"what"` // one of the Binds constants
	Why  string `json:"why"`
}

// The kinds of bounds.
const (
	BindsLatency = "latency"
	BindsMemory  = "memory"
	BindsQuota   = "quota"
	BindsMinimum = "minimum"
	BindsLimit   = "limit" // of the service
)

// Term is the length of a rental.
type Term string

const (
	Hourly  Term = "hour"
	Monthly Term = "month"
	Yearly  Term = "year"
	Three   Term = "three_years"
	Spot    Term = "spot"
)

// Sizing is the number of PTUs that would carry the peak minute.
type Sizing struct {
	SKU       string  `json:"sku"`
	Exact     float64 `json:"exact"`
	PTUs      int     `json:"ptus"`
	Minimum   int     `json:"minimum"`
	Increment int     `json:"increment"`
}

// BreakEven is the utilisation above which a PTU is cheaper than pay-as-you-go,
// for the demand's mix of tokens.
type BreakEven struct {
	SKU         string     `json:"sku"`
	Term        Term       `json:"term"`
	PTUMonth    weir.Money `json:"ptu_month_dollars"`           // monthly price of one PTU
	Worth       weir.Money `json:"worth_month_dollars"`         // pay-as-you-go price of its monthly capacity, fully used
	Tokens      float64    `json:"normalised_tokens_per_month"` // its capacity, fully used
	Utilisation float64    `json:"utilisation"`                 // PTUMonth/Worth; above 1: never
}

// Today is how well the deployed PTUs are used.
type Today struct {
	PTUs        int     `json:"ptus"`
	Utilisation float64 `json:"utilisation"`       // by the load they carry, mean
	Over        float64 `json:"over_share"`        // of the load exceeding them
	Full        float64 `json:"full_minute_share"` // share of minutes in which they are full
}

// Figure is one figure of the catalogue a plan used.
type Figure struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Date   string `json:"date,omitempty"`
}
