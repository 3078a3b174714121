package plan

import (
	"math"
	"sort"
	"strings"

	"weir"
	"weir/price"
)

// Case is the recommendation for another demand.
type Case struct {
	What    string     `json:"what"`
	Best    string     `json:"best"`
	ID      string     `json:"id,omitempty"`
	Month   weir.Money `json:"month_dollars"`
	Million weir.Money `json:"per_million_tokens_dollars"`
	Known   bool       `json:"known"`
}

// sensitivity plans the demand again with one change at a time.
func (m *market) sensitivity() ([]Case, error) {
	amount := func(x float64) func(Minute) Minute { return func(n Minute) Minute { return n.times(x) } }
	output := func(x float64) func(Minute) Minute {
		return func(n Minute) Minute { n.Output *= x; return n }
	}
	cached := func(share float64) func(Minute) Minute {
		return func(n Minute) Minute { n.Cached = share * n.Input; return n }
	}
	cases := []struct {
		what   string
		change func(Minute) Minute
		shape  bool // tokens per request change, and with them a replica's rate
	}{
		{"half the demand", amount(0.5), false},
		{"1.5 times the demand", amount(1.5), false},
		{"answers half as long", output(0.5), true},
		{"answers 1.5 times as long", output(1.5), true},
		{"no input cached", cached(0), false},
		{"half of the input cached", cached(0.5), false},
		{"three quarters of the input cached", cached(0.75), false},
	}
	if m.d.Model == "" {
		cases = cases[:4] // without a service there is no prompt cache
	}
	all := []Case{m.caseOf("as it is")}
	for _, c := range cases {
		other, err := m.changed(c.change, c.shape)
		if err != nil {
			return nil, err
		}
		all = append(all, other.caseOf(c.what))
	}
	for _, c := range []struct {
		what string
		of   *float64
	}{{"long contexts", &m.d.Long}, {"writes to the prompt cache", &m.d.Writes}} {
		if *c.of == 0 {
			continue
		}
		was := *c.of
		for _, x := range []struct {
			what  string
			times float64
		}{{"no ", 0}, {"twice as many ", 2}} {
			*c.of = min(1, was*x.times)
			other, err := m.changed(amount(1), false)
			*c.of = was
			if err != nil {
				return nil, err
			}
			all = append(all, other.caseOf(x.what+c.what))
		}
	}
	if m.d.Answers > 0 {
		for _, c := range []struct {
			what string
			x    float64
		}{{"the response cache answers nothing", 0}, {"the response cache answers half as much", 0.5}, {"the response cache answers 1.5 times as much", 1.5}} {
			other := *m
			other.d.Answers = min(1, m.d.Answers*c.x)
			all = append(all, other.caseOf(c.what))
		}
	}
	return all, nil
}

// caseOf is the recommendation of this market.
func (m *market) caseOf(what string) Case {
	c := Case{What: what}
	mix, ok := m.cheapestMix(1)
	if c.Known = ok; ok {
		c.Best, c.ID, c.Month, c.Million = mix.name(), mix.id(), mix.Month, mix.Million
	}
	return c
}

// changed is the market of a changed demand. Replicas are computed again only
// if the shape of the requests changes.
func (m *market) changed(change func(Minute) Minute, shape bool) (*market, error) {
	d := m.d.each(change)
	if shape {
		return newMarket(m.c, d)
	}
	other := &market{c: m.c, d: d, total: d.Total(), book: &book{}, where: m.where, fleets: m.fleets}
	if err := other.readOffers(); err != nil {
		return nil, err
	}
	if d.OpenModel != "" {
		other.by = other.hours()
	}
	other.readParts()
	return other, nil
}

// name is the mix in a few words.
func (x Mix) name() string {
	if x.Option == nil {
		return "only " + x.Measures[len(x.Measures)-1]
	}
	return x.Option.Title()
}

func (x Mix) id() string {
	if x.Option == nil {
		return ""
	}
	return x.Option.ID
}

// Curve is the cost over the size of the demand, for each way to serve it.
// Costs are for a month; 0 if a way is not available.
type Curve struct {
	Points   []Point  `json:"points"`
	Switches []Switch `json:"switches,omitempty"`
}

// Point is one size of the demand.
type Point struct {
	Times       float64    `json:"times"` // times the given demand
	Tokens      float64    `json:"tokens_month"`
	PayAsYouGo  weir.Money `json:"pay_as_you_go_dollars"`
	Provisioned weir.Money `json:"provisioned_dollars"` // at least the fewest PTUs, with spillover or without, whichever costs less
	Own         weir.Money `json:"own_dollars"`
	Best        string     `json:"best"`
}

// Switch is a size of the demand from which on another way is cheapest.
type Switch struct {
	Times  float64 `json:"times"`
	Tokens float64 `json:"tokens_month"`
	From   string  `json:"from"`
	To     string  `json:"to"`
}

// The curve's range: from a 64th of the demand to 64 times it, two points per
// doubling.
const (
	curveReach = 6 // doublings
	curveSteps = 2 // per doubling
	maxSwitch  = 16
)

// curve prices multiples of the demand, without measures, and finds where the
// cheapest way changes.
func (m *market) curve() Curve {
	var c Curve
	for k := -curveReach * curveSteps; k <= curveReach*curveSteps; k++ {
		p := m.point(math.Exp2(float64(k) / curveSteps))
		if n := len(c.Points); n > 0 {
			m.switches(&c, c.Points[n-1], p)
		}
		c.Points = append(c.Points, p)
	}
	return c
}

// way names the option without the part that changes with the demand: the VM
// size.
func (o Option) way() string {
	if o.Kind == Own {
		_, rest, _ := strings.Cut(o.Name, " ")
		return "own replicas " + rest
	}
	return o.Name
}

func (m *market) point(x float64) Point {
	p := Point{Times: x, Tokens: m.total.Tokens() * x}
	options := m.options(x)
	if o, ok := best(options); ok {
		p.Best = o.way()
	}
	for _, o := range options {
		if !o.Available() {
			continue
		}
		switch o.Kind {
		case PayAsYouGo:
			p.PayAsYouGo = cheaper(p.PayAsYouGo, o.Month)
		case Own:
			p.Own = cheaper(p.Own, o.Month)
		}
	}
	p.Provisioned = m.mixed(x)
	return p
}

// cheaper is the smaller of two costs; 0 is no cost.
func cheaper(a, b weir.Money) weir.Money {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// mixed is the cost of x times the demand with at least the fewest PTUs on
// offer, the rest spilling over or all of it on PTUs; 0 if neither is
// available. The spillover alternative ends where PTUs do not pay; mixed does
// not. It is a minimum over fixed choices, none of which costs less for a
// larger demand, so it never falls while the demand grows.
func (m *market) mixed(x float64) weir.Money {
	var least weir.Money
	for i := range m.offers {
		o := &m.offers[i]
		if o.ptu == nil || len(o.ptu.missing) > 0 || o.refused != "" {
			continue
		}
		if slow := (Option{}); m.bindSpeed(o, &slow) != nil && slow.Refused != "" {
			continue
		}
		all := price.Steps{Minimum: o.ptu.steps.minimum, Increment: o.ptu.steps.increment}.Round(o.load.peak() * x)
		for _, r := range o.ptu.rents {
			if len(r.missing) > 0 {
				continue
			}
			if all <= o.ptu.steps.limit {
				least = cheaper(least, money(r.month*float64(all)))
			}
			if n := o.load.least(o.ptu.steps, r.month, x); n > 0 && len(o.rates.missing) == 0 {
				least = cheaper(least, money(o.load.bill(n, r.month, x)))
			}
		}
	}
	return least
}

// switches finds a change of the cheapest way between two points, by bisection.
// Of several changes it finds one.
func (m *market) switches(c *Curve, low, high Point) {
	if low.Best == high.Best || low.Best == "" || high.Best == "" || len(c.Switches) == maxSwitch {
		return
	}
	for range 12 {
		middle := m.point(math.Sqrt(low.Times * high.Times))
		if middle.Best == low.Best {
			low = middle
		} else {
			high = middle
		}
	}
	c.Switches = append(c.Switches, Switch{Times: high.Times, Tokens: high.Tokens, From: low.Best, To: high.Best})
}

// Bills is the total bill over the number of PTUs: rent, and pay-as-you-go for
// the overflow.
type Bills struct {
	SKU    string `json:"sku"`
	Term   Term   `json:"term"`
	Best   int    `json:"best_ptus"` // 0: none at all
	Points []Bill `json:"points"`
}

// Bill is the bill for one number of PTUs.
type Bill struct {
	PTUs  int        `json:"ptus"`
	Month weir.Money `json:"month_dollars"`
}

// billPoints is the most points of that drawing.
const billPoints = 60

// bills computes the bill from no PTUs to those the busiest minute needs, for
// the first class with all prices known.
func (m *market) bills() []Bills {
	for _, o := range m.offers {
		if o.ptu == nil || len(o.ptu.missing) > 0 || len(o.rates.missing) > 0 || o.ptu.steps.count() == 0 {
			continue
		}
		var all []Bills
		for _, r := range o.ptu.rents {
			if len(r.missing) > 0 {
				continue
			}
			b := Bills{SKU: o.provisioned, Term: r.term, Best: o.load.cheapest(o.ptu.steps, r.month, 1)}
			add := func(n int) {
				b.Points = append(b.Points, Bill{n, money(r.month*float64(n) + o.load.spilled(float64(n), 1))})
			}
			add(0)
			last := sort.Search(o.ptu.steps.count()-1, func(i int) bool { return float64(o.ptu.steps.at(i)) >= o.load.peak() })
			stride := 1 + last/billPoints
			for i := 0; i <= last; i += stride {
				add(o.ptu.steps.at(i))
			}
			all = append(all, b)
		}
		return all
	}
	return nil
}
