package plan

import (
	"cmp"
	"fmt"
	"slices"

	"weir"
	"weir/price"
	"weir/report/words"
)

// market is everything that can serve a demand, read from the catalogue once
// and used to price multiples of the demand.
type market struct {
	c      *price.Catalogue
	d      Demand
	total  Minute // of the month
	book   *book
	offers []offer

	by     hours
	where  []place
	fleets []machine

	batch, smaller           part // where measures send tokens; the zero part: nowhere
	lacksBatch, lacksSmaller []string
}

// offer is the price of one class of Azure OpenAI for the demand.
type offer struct {
	class
	rates   rates
	ptu     *ptu // nil: not offered, or unknown
	load    load
	payg    float64 // micro-dollars a month
	refused string  // why its PTUs are not available
}

// ptu is provisioned throughput of a model in one class.
type ptu struct {
	of      price.PTU
	needs   tariff // PTUs per token per minute
	steps   steps
	rents   []rent
	from    string   // region of these prices; "": the demand's own
	missing []string // of all its alternatives
}

// rent is the price of a PTU for a term.
type rent struct {
	term    Term
	price   weir.Money // for the term
	month   float64    // micro-dollars
	how     string     // the arithmetic of a month
	missing []string
}

// maxPTUs is the most PTUs of one deployment. Source: Microsoft, Azure OpenAI
// quotas and limits, 2026-02-17.
const maxPTUs = 100_000

func newMarket(c *price.Catalogue, d Demand) (*market, error) {
	m := &market{c: c, d: d, total: d.Total(), book: &book{}}
	if err := m.readRegions(); err != nil {
		return nil, err
	}
	if err := m.readOffers(); err != nil {
		return nil, err
	}
	m.readParts()
	if d.OpenModel == "" {
		return m, nil
	}
	var err error
	m.by, m.where = m.hours(), m.places()
	m.fleets, err = m.machines()
	return m, err
}

func (m *market) readOffers() error {
	c, d := m.c, m.d
	if d.Model == "" {
		return nil
	}
	if !known(c, d.Model) {
		_, err := c.Tokens(d.Model, classes[0].standard, "")
		return fmt.Errorf("plan: %w", err)
	}
	for _, cl := range classes {
		m.offers = append(m.offers, m.offer(cl))
	}
	return nil
}

// known says whether the catalogue has any entry of an Azure OpenAI model.
func known(c *price.Catalogue, model string) bool {
	for _, cl := range classes {
		if _, err := c.Tokens(model, cl.standard, ""); err == nil {
			return true
		}
	}
	_, err := c.PTU(model)
	return err == nil
}

func (m *market) offer(cl class) offer {
	o := offer{class: cl, rates: m.readRates(m.d.Model, cl.standard)}
	if len(o.rates.missing) == 0 {
		o.payg = o.rates.cost(m.total)
	}
	o.ptu = m.ptu(cl.provisioned)
	if o.ptu == nil || len(o.ptu.missing) > 0 {
		return o
	}
	needs := make([]float64, len(m.d.Minutes))
	costs := make([]float64, len(m.d.Minutes))
	for i, minute := range m.d.Minutes {
		needs[i], costs[i] = o.ptu.needs.of(minute), o.rates.cost(minute)
	}
	o.load = newLoad(needs, costs, m.d.stands())
	if most := o.ptu.of.MaxPrompt; most > 0 && m.d.Long > 0 {
		o.refused = fmt.Sprintf("%.4g %% of the requests have long contexts, and provisioned %s refuses prompts above %d tokens", 100*m.d.Long, m.d.Model, most)
	} else if most > 0 && m.total.Input/m.total.Requests > float64(most) {
		o.refused = fmt.Sprintf("prompts are %.0f tokens on average, and provisioned %s refuses those above %d", m.total.Input/m.total.Requests, m.d.Model, most)
	}
	return o
}

// ptu reads provisioned throughput of the model; nil if the catalogue has none
// in that class.
func (m *market) ptu(sku string) *ptu {
	of, err := m.c.PTU(m.d.Model)
	if err != nil {
		return nil
	}
	s, err := of.Steps(sku)
	if err != nil {
		return nil
	}
	p := &ptu{of: of, steps: steps{s.Minimum, s.Increment, maxPTUs}}
	p.needs = m.weights(p)
	if q := m.d.Quota.PTUs; q != nil {
		p.steps.limit = min(p.steps.limit, *q)
	}
	prices, from, err := m.ptuPrice(sku)
	p.from = from
	if err != nil {
		m.book.lack("price of one PTU, "+sku, &p.missing)
		return p
	}
	const hours = MinutesPerMonth / 60
	for _, t := range []struct {
		term Term
		p    price.Price
		per  float64 // months
		how  string
	}{
		{Hourly, prices.Hour, 1. / hours, fmt.Sprintf("%d hours x %%s", hours)},
		{Monthly, prices.Month, 1, "%s a month, reserved"},
		{Yearly, prices.Year, 12, "%s a year, reserved / 12"},
	} {
		r := rent{term: t.term}
		m.book.price(fmt.Sprintf("one PTU, %s%s, by the %s", sku, in(from), t.term), t.p, &r.missing)
		r.price = t.p.Amount()
		r.month = float64(r.price) / t.per
		r.how = fmt.Sprintf(t.how, words.Exact(r.price))
		p.rents = append(p.rents, r)
	}
	return p
}

// options prices x times the demand in every way, available ones first,
// cheapest first.
func (m *market) options(x float64) []Option {
	var all []Option
	for i := range m.offers {
		o := &m.offers[i]
		all = append(all, m.payAsYouGo(o, x))
		if o.ptu == nil {
			continue
		}
		for _, r := range o.ptu.rents {
			all = append(all, m.provisioned(o, r, x), m.spillover(o, r, x))
		}
	}
	for i := range m.fleets {
		for _, p := range m.where {
			all = append(all, m.own(&m.fleets[i], p, x)...)
		}
	}
	for i := range all {
		m.finish(&all[i], x)
	}
	slices.SortStableFunc(all, func(a, b Option) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Month, b.Month))
	})
	return all
}

// rank orders available options before unavailable ones, and those before
// options without a price.
func rank(o Option) int {
	switch {
	case len(o.Missing) > 0:
		return 2
	case o.Refused != "":
		return 1
	}
	return 0
}

// finish computes the fields that follow from the bill.
func (m *market) finish(o *Option, x float64) {
	if len(o.Missing) > 0 {
		return
	}
	for _, l := range o.Lines {
		o.Month += l.Amount
	}
	if t := m.total.Tokens() * x; t > 0 {
		o.PerMillion = money(float64(o.Month) / t * 1e6)
	}
	o.PerRequest = money(float64(o.Month) / (m.total.Requests * x))
}
