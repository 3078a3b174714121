package wire

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"weir/azure"
	"weir/config"
	"weir/fleet"
	"weir/fleet/azureopenai"
	"weir/node"
	"weir/observe"
	"weir/price"
	"weir/quota"
	"weir/quota/live"
)

// subscription is the Azure subscription of a node: its quotas, and the size of the
// Azure OpenAI deployments in it.
type subscription struct {
	prices func() (*price.Catalogue, error)

	access *azure.Account // nil until it is opened
	host   node.AccountHost
	keeper *azureopenai.Keeper
	quotas *live.Watch

	telling sync.Mutex

	mu    sync.Mutex
	of    map[string]sized              // by deployment
	told  map[string]azureopenai.Object // what the gateway was told, by deployment
	stock []quota.Units                 // models whose stock is read
	want  live.Want
	room  map[string]room // of managed endpoints, by deployment
}

// sized is a deployment with its model, as the configuration in force has them.
type sized struct {
	model *config.Model
	d     *config.Deployment
}

// account opens the subscription of a configuration; nil: it names none.
func (s *subscription) account(c *config.Config) func(node.AccountHost) (node.Account, error) {
	if c.Azure == nil {
		return nil
	}
	return func(h node.AccountHost) (node.Account, error) {
		a, err := AzureAccount(c)
		if err != nil {
			return nil, err
		}
		return s, s.open(c, a, h)
	}
}

func (s *subscription) open(c *config.Config, a *azure.Account, h node.AccountHost) error {
	client, err := azureopenai.NewClient(a)
	if err != nil {
		return err
	}
	reader, err := s.take(c, a)
	if err != nil {
		return err
	}
	s.access, s.host = a, h
	s.quotas = live.NewWatch(reader, h.Log)
	s.keeper = azureopenai.New(azureopenai.Options{
		Client: client, Deployments: s.deployments(c), Quotas: s.quotas.Book, Leads: h.Leads, Changed: s.changed, Log: h.Log,
	})
	return nil
}

// take takes a configuration, and makes the reader of its quotas.
func (s *subscription) take(c *config.Config, a *azure.Account) (*live.Reader, error) {
	prices, err := s.prices()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = Quotas(c, prices)
	s.want.Models = s.stock
	s.of, s.told, s.room = map[string]sized{}, map[string]azureopenai.Object{}, map[string]room{}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			s.of[c.Models[i].Deployments[k].Name] = sized{&c.Models[i], &c.Models[i].Deployments[k]}
		}
	}
	return live.New(a, s.want)
}

// change changes the deployments; the subscription itself is fixed.
func (s *subscription) change(c *config.Config) fleet.Change {
	return fleet.Change{Check: func() error { return nil }, Apply: func() error {
		if s.access == nil {
			return nil
		}
		reader, err := s.take(c, s.access)
		if err != nil {
			return err
		}
		s.quotas.Read(reader)
		s.keeper.Configure(s.deployments(c))
		return nil
	}}
}

// changed tells the gateway the size and the limits of a deployment as Azure has them.
func (s *subscription) changed(name string, o azureopenai.Object) {
	s.telling.Lock() // of two looks, the gateway has the one that is remembered
	defer s.telling.Unlock()
	s.mu.Lock()
	x, is := s.of[name]
	was, before := s.told[name]
	s.told[name] = o
	s.mu.Unlock()
	s.look(o)
	if !is || before && was == o {
		return
	}
	q, err := sizedQuota(x.model, x.d.AzureOpenAI, o)
	if err == nil {
		err = s.host.Capacity(name, q)
	}
	if err != nil {
		s.host.Log.Error("the size of a deployment as Azure has it does not count; that of the file does", "deployment", name, "error", err)
		return
	}
	if !before || was.Capacity != o.Capacity {
		s.host.Log.Info("the size and limits of a deployment are those of Azure", "deployment", name, "kind", o.SKU, "units", o.Capacity,
			"tokens_per_minute", q.TokensPerMinute, "requests_per_minute", q.RequestsPerMinute)
	}
	if note := DoubleSpill(x.model, x.d, o.Spillover); note != "" && was.Spillover != o.Spillover {
		s.host.Log.Warn(note, "deployment", name)
	}
}

// look has the stock of a model read from now on.
func (s *subscription) look(o azureopenai.Object) {
	s.mu.Lock()
	for _, u := range s.stock {
		if u.Model == o.Model && u.Version == o.Version {
			s.mu.Unlock()
			return
		}
	}
	s.stock = append(s.stock, quota.Units{Model: o.Model, Version: o.Version})
	s.want.Models = s.stock
	want := s.want
	s.mu.Unlock()
	if r, err := live.New(s.access, want); err == nil {
		s.quotas.Read(r)
	}
}

// Run reads quotas and sizes until ctx ends.
func (s *subscription) Run(ctx context.Context) error {
	var all errgroup.Group
	all.Go(func() error { return s.quotas.Run(ctx) })
	all.Go(func() error { return s.keeper.Run(ctx) })
	err := all.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Quota, Capacity and Levels are what operators see.
func (s *subscription) Quota() any    { return s.quotas.Reading() }
func (s *subscription) Capacity() any { return s.keeper.Views() }

func (s *subscription) Approve(deployment string, units int64) error {
	return s.keeper.Approve(deployment, units)
}

func (s *subscription) Levels() (a observe.Account) {
	for _, u := range s.quotas.Book().Usages {
		a.Quotas = append(a.Quotas, observe.AccountQuota{Service: string(u.Service), Location: u.Location, Workspace: u.Workspace, Name: u.Name, Used: u.Used, Limit: u.Limit})
	}
	for _, v := range s.keeper.Views() {
		if v.SKU != "" {
			a.Capacity = append(a.Capacity, observe.AccountCapacity{Deployment: v.Deployment, Units: v.Units, Wanted: v.Wanted, Proposed: v.Proposed})
		}
	}
	return a
}
