package node

import (
	"cmp"
	"slices"
	"sync"

	"weir/dispatch"
	"weir/scale"
)

// overflow divides a model's demand among its deployments that can grow. The
// first, by tier and then by the price of a replica, sees all of it. A later one
// sees what it serves itself; where all before it are at their bound (max,
// budget, quota, no capacity), it sees everything that those do not serve, the
// queue included. So a deployment grows when the ones before it cannot, and not
// with them.
//
// With one deployment that can grow, nothing is divided. Of several gateways on one
// store each divides its own demand, by what the leader says of the bounds.
type overflow struct {
	mu sync.Mutex
	by map[string]*divided // by the model's first deployment that can grow
}

// divided is one model's demand, divided so far.
type divided struct {
	names   []string
	last    dispatch.Demand
	granted map[string]uint64
	parts   map[string]*part
}

// part is the arrivals that a deployment saw.
type part struct {
	requests, prompt, output float64
	owed                     float64 // granted from the queue before they counted as arrived
}

// growing are the deployments of a model that can grow, in order; nil unless
// there are several and one of them is deployment.
func (s *Setup) growing(deployment string) []string {
	type one struct {
		name  string
		tier  int
		price int64
	}
	for i := range s.Gateway.Models {
		var all []one
		here := false
		for k := range s.Gateway.Models[i].Deployments {
			d := &s.Gateway.Models[i].Deployments[k]
			if !d.Elastic || d.Weight == 0 || d.Canary != nil || d.Mirror != nil {
				continue // trials and copies follow another's traffic
			}
			at := one{name: d.Name, tier: d.Tier}
			for j := range s.Deployments {
				if x := &s.Deployments[j]; x.Name == d.Name && x.Scaling != nil {
					at.price = int64(x.Scaling.Policy.Price)
				}
			}
			all = append(all, at)
			here = here || d.Name == deployment
		}
		if !here {
			continue
		}
		slices.SortStableFunc(all, func(a, b one) int { return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.price, b.price)) })
		var names []string
		for _, x := range all {
			names = append(names, x.name)
		}
		if len(names) > 1 {
			return names
		}
	}
	return nil
}

// divide replaces the model's demand in o by the part of one of names. full says
// which are at their bound.
func (f *overflow) divide(o *scale.Observation, m dispatch.Demand, deployment string, names []string, full func(string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.by[names[0]]
	if d == nil || !slices.Equal(d.names, names) {
		d = &divided{names: names, last: m, granted: map[string]uint64{}, parts: map[string]*part{}}
		for _, x := range m.Deployments {
			d.granted[x.Name] = x.Granted
		}
		f.by[names[0]] = d
	}
	d.take(m, full)
	i := slices.Index(names, deployment)
	if i <= 0 {
		return
	}
	p := d.part(deployment)
	o.Arrived, o.ArrivedPrompt, o.ArrivedOutput = uint64(p.requests), uint64(p.prompt), uint64(p.output)
	if !allFull(names[:i], full) {
		o.Waiting, o.WaitingWork, o.HeadAge = 0, 0, 0
		for _, x := range m.Deployments {
			if x.Name == deployment {
				o.LastActive = x.LastEnded
			}
		}
	}
}

// take adds what has arrived and was granted since the last look.
func (d *divided) take(m dispatch.Demand, full func(string) bool) {
	if m.Arrived < d.last.Arrived {
		d.last = m // made again by a reload
	}
	arrived := float64(m.Arrived - d.last.Arrived)
	granted := map[string]float64{}
	for _, x := range m.Deployments {
		granted[x.Name] = float64(x.Granted - min(d.granted[x.Name], x.Granted))
		d.granted[x.Name] = x.Granted
	}
	prompt, output := mean(m.ArrivedPrompt, m.Arrived), mean(m.ArrivedOutput, m.Arrived)
	if arrived > 0 {
		prompt = float64(m.ArrivedPrompt-d.last.ArrivedPrompt) / arrived
		output = float64(m.ArrivedOutput-d.last.ArrivedOutput) / arrived
	}
	d.last = m
	rest := arrived
	for i, name := range d.names {
		if i > 0 {
			x := granted[name]
			if allFull(d.names[:i], full) {
				x = rest
			}
			d.part(name).add(x, prompt, output)
		}
		rest -= granted[name]
	}
}

func (d *divided) part(name string) *part {
	if d.parts[name] == nil {
		d.parts[name] = &part{}
	}
	return d.parts[name]
}

// add adds requests; fewer than none are owed, and taken from the next.
func (p *part) add(requests, prompt, output float64) {
	sum := requests + p.owed
	p.owed = min(0, sum)
	sum = max(0, sum)
	p.requests, p.prompt, p.output = p.requests+sum, p.prompt+sum*prompt, p.output+sum*output
}

func allFull(names []string, full func(string) bool) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return !full(n) })
}

func mean(sum, of uint64) float64 { return float64(sum) / float64(max(of, 1)) }

// keep forgets models whose first deployment is gone.
func (f *overflow) keep(there func(deployment string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.by {
		if !there(name) {
			delete(f.by, name)
		}
	}
}
