package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"syscall"
	"time"
)

// reload reads the configuration again and swaps it in. On an error nothing
// has changed, and log and metrics say so.
func (n *Node) reload() error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	s, err := n.loaded()
	if err == nil {
		err = n.swap(&s)
	}
	if err != nil {
		n.metrics.ReloadRefused()
		n.logRefused(err)
		return err
	}
	n.metrics.Reloaded(s.Hash, time.Now())
	n.log.Info("configuration reloaded", "models", len(s.Gateway.Models), "tenants", len(s.Gateway.Tenants), "hash", s.Hash)
	n.logRemarks(&s)
	return nil
}

// maxLoggedFaults bounds the lines about one configuration.
const maxLoggedFaults = 20

func (n *Node) loaded() (Setup, error) {
	if n.load == nil {
		return Setup{}, errors.New("there is no configuration file to reload: this node was made from values")
	}
	return n.load()
}

// logRefused writes a line for each fault.
func (n *Node) logRefused(err error) {
	var faults *Faults
	if !errors.As(err, &faults) {
		n.log.Error("reload refused, nothing was changed", "error", err)
		return
	}
	n.log.Error("reload refused, nothing was changed", "faults", len(faults.All))
	for _, f := range faults.All[:min(len(faults.All), maxLoggedFaults)] {
		n.log.Error("error in the configuration", "at", f.At, "error", f.Text)
	}
}

// logRemarks logs each warning about a setup in force.
func (n *Node) logRemarks(s *Setup) {
	for _, r := range s.Remarks[:min(len(s.Remarks), maxLoggedFaults)] {
		n.log.Warn("warning about the configuration", "at", r.At, "warning", r.Text)
	}
}

// swap puts a setup in the place of the one in force, or changes nothing.
func (n *Node) swap(s *Setup) error {
	if err := n.check(s); err != nil {
		return err
	}
	if err := n.gateway.Apply(s.Gateway); err != nil {
		return err
	}
	if err := restoreBudgets(context.Background(), n.ledger, n.gateway, &s.Gateway); err != nil {
		n.log.Error("new budgets start at zero", "error", err)
	}
	n.metrics.Configure(names(&s.Gateway))
	n.level.Set(s.Log.Level)
	n.access.Enable(s.Log.Access)
	n.setup.Store(s)
	// All was checked: none can fail any more.
	var err error
	for _, c := range s.Changes {
		err = errors.Join(err, c.Apply())
	}
	err = errors.Join(err, n.scaler.configure())
	there := func(deployment string) bool { return slices.Contains(s.placed(), deployment) }
	n.short.forget(there)
	n.overflow.keep(there)
	n.lookAgain()
	return err
}

// check says why a setup cannot come into force. It changes nothing.
func (n *Node) check(s *Setup) error {
	if err := fixedParts(n.setup.Load().Fixed, s.Fixed); err != nil {
		return err
	}
	for _, d := range s.Deployments {
		if d.Place != "" && n.places[d.Place] == nil {
			return fmt.Errorf("deployment %q: there is no place %q", d.Name, d.Place)
		}
	}
	for _, c := range s.Changes {
		if err := c.Check(); err != nil {
			return err
		}
	}
	return validPolicies(s)
}

// fixedParts refuses changes that need a restart.
func fixedParts(have, want []Fixed) error {
	var faults []error
	for _, w := range want {
		i := slices.IndexFunc(have, func(h Fixed) bool { return h.Path == w.Path })
		if i < 0 || !reflect.DeepEqual(have[i].Value, w.Value) {
			faults = append(faults, fmt.Errorf("a reload cannot change %s: nothing was changed; restart Weir, or restore the old value", w.Path))
		}
	}
	return errors.Join(faults...)
}

func (n *Node) reloadOnHangup(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			_ = n.reload() // a refusal is logged already
		}
	}
}
