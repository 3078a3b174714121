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
	Containers []string        // regions of container groups: their quotas
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

	lists   map[list]quota.Book // what each list had, for the next reading
	regions map[resource]string // of workspaces and accounts, which never change
}

// Bounds of a reading.
const (
	maxPages = 50    // of one list
	maxRows  = 5_000 // of one list
	within   = time.Minute
)

// resource is a workspace or an account, which may have the same name.
type resource struct {
	service quota.Service
	Resource
}

// list names one list.
type list struct {
	service        quota.Service
	location       string
	model, version string // of a list of stock
}

// part is a list and how it is read.
type part struct {
	list
	read func(ctx context.Context, b *quota.Book) error
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
	if last == nil {
		last = &Reading{}
	}
	now := Reading{At: time.Now(), lists: map[list]quota.Book{}, regions: map[resource]string{}}
	for _, p := range r.parts(ctx, last, &now) {
		var b quota.Book
		if err := p.read(ctx, &b); err != nil {
			now.Faults = append(now.Faults, Fault{p.service, p.location, r.account.Reason(err)})
			b = last.lists[p.list]
		}
		now.lists[p.list] = b
		now.Usages = append(now.Usages, b.Usages...)
		now.Capacities = append(now.Capacities, b.Capacities...)
		now.Kinds = append(now.Kinds, b.Kinds...)
	}
	return now
}

// What else is read, beside the usages of services.
const (
	stock quota.Service = "model_capacities" // what regions have of models
	sizes quota.Service = "machine_sizes"    // families and vCPUs of sizes, as Azure Machine Learning has them
)

// parts are the lists to be read, with the regions of workspaces and accounts.
func (r *Reader) parts(ctx context.Context, last, now *Reading) (all []part) {
	add := func(s quota.Service, location string) {
		location = strings.ReplaceAll(strings.ToLower(location), " ", "")
		if location == "" || slices.ContainsFunc(all, func(p part) bool { return p.service == s && p.location == location }) {
			return
		}
		all = append(all, part{list{service: s, location: location}, func(ctx context.Context, b *quota.Book) error { return r.clients.read(ctx, b, s, location) }})
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
	for _, l := range r.want.Containers {
		add(quota.Containers, l)
	}
	for _, x := range r.want.Workspaces {
		add(quota.ML, r.region(ctx, quota.ML, x, last, now))
	}
	for _, x := range r.want.Accounts {
		add(quota.OpenAI, r.region(ctx, quota.OpenAI, x, last, now))
	}
	for _, p := range all {
		if p.service == quota.ML {
			add(sizes, p.location)
		}
	}
	slices.SortStableFunc(all, func(a, b part) int {
		return strings.Compare(a.location+string(a.service), b.location+string(b.service))
	})
	for i, u := range r.want.Models {
		if slices.ContainsFunc(r.want.Models[:i], func(v quota.Units) bool { return v.Model == u.Model && v.Version == u.Version }) {
			continue
		}
		all = append(all, part{list{service: stock, location: u.Location, model: u.Model, version: u.Version}, func(ctx context.Context, b *quota.Book) error { return r.clients.stock(ctx, b, u) }})
	}
	return all
}

// region is that of a workspace or an account, looked up once; "": not known.
func (r *Reader) region(ctx context.Context, s quota.Service, x Resource, last, now *Reading) string {
	at := resource{s, x}
	if l, known := now.regions[at]; known {
		return l
	}
	l := last.regions[at]
	if l == "" {
		var err error
		if l, err = r.clients.location(ctx, s, x); err != nil {
			now.Faults = append(now.Faults, Fault{s, "", fmt.Sprintf("the region of %s: %s", x.Name, r.account.Reason(err))})
		}
	}
	now.regions[at] = l
	return l
}
