// Package needs joins a configuration with the quotas of its subscription: what each
// deployment needs at its most, what is free of that, and what to request.
//
// It owns the joining alone. It refuses to know how quotas are read (quota/live),
// what they mean (quota), and how they are shown (report).
package needs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"weir/azure"
	"weir/config"
	"weir/fleet/azureopenai"
	"weir/price"
	"weir/quota"
	"weir/quota/live"
	"weir/report"
	"weir/wire"
)

// Need is what one deployment needs at its most.
type Need struct {
	Deployment string `json:"deployment"`
	Most       string `json:"most"` // "4 x Standard_NC24ads_A100_v4", "150 PTUs"
	OK         bool   `json:"ok"`
	Said       string `json:"said"`
	Request    int64  `json:"request,omitempty"` // by how much to raise the limit
}

// Page is everything: what was read, and the needs, in the order of the file.
type Page struct {
	Subscription string `json:"subscription"`
	live.Reading
	Needs []Need `json:"needs"`
}

// ErrNoSubscription: the file has no azure: block.
var ErrNoSubscription = errors.New("the file names no subscription: add azure: {subscription: ID}")

// Of reads the quotas of a configuration, and of more regions.
func Of(ctx context.Context, c *config.Config, prices *price.Catalogue, locations ...string) (Page, error) {
	a, err := wire.AzureAccount(c)
	if err != nil {
		return Page{}, err
	}
	if a == nil {
		return Page{}, ErrNoSubscription
	}
	objects, err := readObjects(ctx, a, c)
	if err != nil {
		return Page{}, err
	}
	w := wire.Quotas(c, prices)
	if len(locations) > 0 {
		w.Locations, w.Services = append(w.Locations, locations...), nil
	}
	for _, o := range objects {
		if o.err == nil {
			w.Models = append(w.Models, o.Units)
		}
	}
	r, err := live.New(a, w)
	if err != nil {
		return Page{}, err
	}
	p := Page{Subscription: a.Subscription(), Reading: r.Read(ctx, nil), Needs: []Need{}}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			if o, ok := objects[d.Name]; ok {
				p.Needs = append(p.Needs, ofUnits(&p.Book, &c.Models[i], d, o))
			}
			if d.ACI != nil {
				p.Needs = append(p.Needs, ofGroups(&p.Book, d))
			}
			if n, size, at, ok := wire.Machines(d, prices); ok {
				p.Needs = append(p.Needs, ofMachines(&p.Book, prices, d.Name, n, size, at))
			}
		}
	}
	return p, nil
}

// object is a deployment as Azure has it, or why it could not be read.
type object struct {
	azureopenai.Object
	err error
	why string
}

func readObjects(ctx context.Context, a *azure.Account, c *config.Config) (map[string]object, error) {
	client, err := azureopenai.NewClient(a)
	if err != nil {
		return nil, err
	}
	all := map[string]object{}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			r, ok := wire.OpenAIRef(c, d)
			if !ok {
				continue
			}
			var o object
			if o.Object, o.err = client.Read(ctx, r); o.err == nil {
				o.Location, o.err = client.Location(ctx, r)
			}
			if o.err != nil {
				o.why = a.Reason(o.err)
			}
			all[d.Name] = o
		}
	}
	return all, nil
}

// ofMachines judges machines whose number is not known: some of what is in use may be
// their own, and only more than the whole limit is certain to fail.
func ofMachines(b *quota.Book, prices *price.Catalogue, deployment string, n int, size string, at quota.At) Need {
	x := Need{Deployment: deployment, Most: fmt.Sprintf("%d x %s", n, size)}
	s, err := b.Size(prices, size)
	if err != nil {
		x.Said = err.Error()
		return x
	}
	a := b.Ask(s, at, 0, n)
	for _, u := range b.Bounds(s, at) {
		if want := s.Needs(n, at); a.Needs <= a.By.Limit && want > u.Limit { // it fails for certain
			a = quota.Ask{Needs: want, Free: u.Free(), By: u, Known: true}
		}
	}
	if !a.Known {
		x.OK, x.Said = true, fmt.Sprintf("no quota of %s is known in %s", strings.Join(s.Families, ", "), at.Location)
		return x
	}
	x.Request, x.Said = a.Short(), a.String()
	if x.OK = a.Needs <= a.By.Limit; x.OK && x.Request > 0 {
		x.Said += fmt.Sprintf(", unless they are among the %d in use", a.By.Used)
	}
	return x
}

func ofUnits(b *quota.Book, m *config.Model, d *config.Deployment, o object) (x Need) {
	defer func() {
		if note := wire.DoubleSpill(m, d, o.Spillover); note != "" {
			x.Said += "; " + note
		}
	}()
	x = Need{Deployment: d.Name}
	if o.err != nil {
		x.Said = "cannot be read: " + o.why
		return x
	}
	most, file := o.Capacity, d.AzureOpenAI
	if provisioned := file.PTU > 0; provisioned == o.Provisioned() {
		most = max(most, int64(wire.MostUnits(d)))
	} else if file.Resize != "" {
		x.Most, x.Said = fmt.Sprintf("%d units of %s", most, o.SKU), azureopenai.Unfit(provisioned, o.SKU)
		return x
	}
	x.Most, x.OK = fmt.Sprintf("%d units of %s", most, o.SKU), true
	a := b.AskUnits(o.Units, o.Capacity, most)
	if !a.Known {
		x.Said = fmt.Sprintf("no quota of %s for %s is known in %s", o.SKU, o.Model, o.Location)
		return x
	}
	x.Said, x.Request = a.String(), a.Short()
	x.OK = x.Request == 0
	if stock, known := b.Stock(o.Units); known && most > o.Capacity+stock {
		x.OK = false
		x.Said += fmt.Sprintf("; %s has %d more in stock now", o.Location, stock)
	}
	return x
}

// Short is an error if a deployment needs more than there is, or could not be judged.
func (p *Page) Short() error {
	n := 0
	for _, x := range p.Needs {
		if !x.OK {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d deployments need more than they can have: see SHORT above", n, len(p.Needs))
}

// Troubles are the lists that could not be read, a line each.
func (p *Page) Troubles() (lines []string) {
	for _, f := range p.Faults {
		lines = append(lines, strings.TrimSpace(string(f.Service)+" "+f.Location)+": "+f.Why)
	}
	return lines
}

// Shown are the needs for a page.
func (p *Page) Shown() (all []report.QuotaNeed) {
	for _, n := range p.Needs {
		all = append(all, report.QuotaNeed{Deployment: n.Deployment, Most: n.Most, Said: n.Said, OK: n.OK})
	}
	return all
}
