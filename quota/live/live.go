// Package live reads the quotas of an Azure subscription, at once and every few
// minutes, with Azure's own clients.
//
// It owns which lists are read, their bounds, and what is kept when one of them
// cannot be read. It refuses to know what the figures mean (quota) and which
// deployments need them (wire).
package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/azure"
	"weir/quota"
)

// Resource is a workspace or an account.
type Resource struct{ Group, Name string }

// Want is what is read. The regions of workspaces and accounts are looked up.
type Want struct {
	Locations  []string        // of all Services
	Services   []quota.Service // nil: all
	Workspaces []Resource      // of Azure Machine Learning: its quotas, with the caps of workspaces
	Accounts   []Resource      // of Azure OpenAI
	Models     []quota.Units   // whose stock is read; without a location in every region that has some
}

// Fault is a list that could not be read. What was known of it before stays.
type Fault struct {
	Service  quota.Service `json:"service"`
	Location string        `json:"location"`
	Why      string        `json:"why"` // one line, without a secret
}

// Reading is what was read at one time.
type Reading struct {
	At     time.Time `json:"read"`
	Faults []Fault   `json:"faults,omitempty"`
	quota.Book
}

// Bounds of a reading.
const (
	maxPages = 50    // of one list
	maxRows  = 5_000 // of one list
	within   = time.Minute
)

// part is one list.
type part struct {
	service  quota.Service
	location string
	read     func(ctx context.Context, b *quota.Book) error
}

// Reader reads. Make one with New; it is safe for concurrent use.
type Reader struct {
	account *azure.Account
	want    Want
	clients clients
}

// New makes the clients. It sends no request.
func New(a *azure.Account, w Want) (*Reader, error) {
	c, err := newClients(a)
	if err != nil {
		return nil, fmt.Errorf("quota: %s", a.Reason(err))
	}
	return &Reader{account: a, want: w, clients: c}, nil
}

// Read reads everything. A list that cannot be read is a Fault, and the others are
// there; last keeps what it had before.
func (r *Reader) Read(ctx context.Context, last *Reading) Reading {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	now := Reading{At: time.Now()}
	for _, p := range r.parts(ctx, &now) {
		var b quota.Book
		if err := p.read(ctx, &b); err != nil {
			now.Faults = append(now.Faults, Fault{p.service, p.location, r.account.Reason(err)})
			b = kept(last, p)
		}
		now.Usages = append(now.Usages, b.Usages...)
		now.Capacities = append(now.Capacities, b.Capacities...)
		now.Kinds = append(now.Kinds, b.Kinds...)
	}
	return now
}

// kept is what an earlier reading has of a list.
func kept(last *Reading, p part) (b quota.Book) {
	if last == nil {
		return b
	}
	for _, u := range last.Usages {
		if u.Service == p.service && u.Location == p.location {
			b.Usages = append(b.Usages, u)
		}
	}
	if p.service == quota.ML {
		b.Kinds = last.Kinds
	}
	if p.service == stock {
		b.Capacities = last.Capacities
	}
	return b
}

// stock marks the list of what regions have of models.
const stock quota.Service = "model_capacities"

// parts are the lists to be read, with the regions of workspaces and accounts.
func (r *Reader) parts(ctx context.Context, now *Reading) (all []part) {
	add := func(s quota.Service, location string) {
		location = strings.ReplaceAll(strings.ToLower(location), " ", "")
		if location == "" || slices.ContainsFunc(all, func(p part) bool { return p.service == s && p.location == location }) {
			return
		}
		all = append(all, part{s, location, func(ctx context.Context, b *quota.Book) error { return r.clients.usages(ctx, b, s, location) }})
	}
	services := r.want.Services
	if services == nil {
		services = []quota.Service{quota.Compute, quota.ML, quota.OpenAI, quota.Containers}
	}
	for _, l := range r.want.Locations {
		for _, s := range services {
			add(s, l)
		}
	}
	find := func(s quota.Service, resources []Resource) {
		for i, x := range resources {
			if slices.Contains(resources[:i], x) {
				continue
			}
			l, err := r.clients.location(ctx, s, x)
			if err != nil {
				now.Faults = append(now.Faults, Fault{s, "", fmt.Sprintf("the region of %s: %s", x.Name, r.account.Reason(err))})
			}
			add(s, l)
		}
	}
	find(quota.ML, r.want.Workspaces)
	find(quota.OpenAI, r.want.Accounts)
	slices.SortStableFunc(all, func(a, b part) int {
		return strings.Compare(a.location+string(a.service), b.location+string(b.service))
	})
	for i, u := range r.want.Models {
		if slices.ContainsFunc(r.want.Models[:i], func(v quota.Units) bool { return v.Model == u.Model && v.Version == u.Version }) {
			continue
		}
		all = append(all, part{stock, u.Location, func(ctx context.Context, b *quota.Book) error { return r.clients.stock(ctx, b, u) }})
	}
	return all
}
