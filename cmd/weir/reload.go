package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"weir/config"
	"weir/wire"
)

// reload reads the configuration again and swaps it in. On an error nothing
// has changed, and log and metrics say so.
func (n *node) reload() error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	c, err := n.load()
	if err == nil {
		err = n.swap(c)
	}
	if err != nil {
		n.metrics.ReloadRefused()
		n.logRefused(err)
		return err
	}
	n.metrics.Reloaded(c.Hash, time.Now())
	n.log.Info("configuration reloaded", "models", len(c.Models), "tenants", len(c.Tenants), "hash", c.Hash)
	n.logWarnings(c)
	return nil
}

// maxLoggedFaults bounds the lines about one configuration.
const maxLoggedFaults = 20

// logRefused writes a line for each fault.
func (n *node) logRefused(err error) {
	var faults config.Faults
	if !errors.As(err, &faults) {
		n.log.Error("reload refused, nothing was changed", "error", err)
		return
	}
	n.log.Error("reload refused, nothing was changed", "faults", len(faults))
	for _, f := range faults[:min(len(faults), maxLoggedFaults)] {
		n.log.Error("fault of the configuration", "at", strings.TrimSuffix(f.Place(), ":"), "error", f.Message())
	}
}

// logWarnings writes a line for each doubt about a configuration in force.
func (n *node) logWarnings(c *config.Config) {
	for _, w := range c.Warnings[:min(len(c.Warnings), maxLoggedFaults)] {
		n.log.Warn("doubt about the configuration", "at", strings.TrimSuffix(w.Place(), ":"), "warning", w.Message())
	}
}

// swap puts a configuration in the place of the one in force, or changes
// nothing.
func (n *node) swap(c *config.Config) error {
	if err := fixedParts(n.config.Load(), c); err != nil {
		return err
	}
	g, err := wire.Gateway(c, wire.AzureCredential)
	if err != nil {
		return err
	}
	ps := wire.Processes(c)
	if err := n.fleet.Validate(ps); err != nil {
		return err
	}
	if err := n.scaler.validate(c); err != nil {
		return err
	}
	if err := n.gateway.Apply(g); err != nil {
		return err
	}
	if err := n.restoreBudgets(context.Background(), c); err != nil {
		n.log.Error("budgets that are new begin at zero", "error", err)
	}
	n.metrics.Configure(wire.Known(c))
	// Both were validated, so that neither can fail any more.
	if err := errors.Join(n.fleet.Configure(ps), n.scaler.configure(c)); err != nil {
		return err
	}
	n.level.Set(levelOf(c.Log.Level))
	n.access.Enable(c.Log.Access)
	n.config.Store(c)
	return nil
}

// fixedParts refuses what only a new start can change.
func fixedParts(have, want *config.Config) error {
	var faults []error
	fixed := func(path string, same bool) {
		if !same {
			faults = append(faults, fmt.Errorf("%s has changed, which a reload cannot do: nothing was changed; restart Weir for it, or put the old value back", path))
		}
	}
	fixed("server.listen", have.Server.Listen == want.Server.Listen)
	fixed("server.tls", (have.Server.TLS == nil) == (want.Server.TLS == nil) &&
		(have.Server.TLS == nil || *have.Server.TLS == *want.Server.TLS))
	fixed("server.max_header", have.Server.MaxHeader == want.Server.MaxHeader)
	fixed("server.header_timeout", have.Server.HeaderTimeout == want.Server.HeaderTimeout)
	fixed("server.idle_timeout", have.Server.IdleTimeout == want.Server.IdleTimeout)
	fixed("server.drain_timeout", have.Server.DrainTimeout == want.Server.DrainTimeout)
	fixed("admin", have.Admin.Listen == want.Admin.Listen && have.Admin.Token.Reveal() == want.Admin.Token.Reveal())
	fixed("machine", slices.Equal(have.Machine.GPUs, want.Machine.GPUs) && have.Machine.FirstPort == want.Machine.FirstPort &&
		have.Machine.LastPort == want.Machine.LastPort && have.Machine.Keep == want.Machine.Keep)
	fixed("log.format", have.Log.Format == want.Log.Format)
	fixed("store", have.Store == want.Store)
	fixed("redis", sameRedis(have.Redis, want.Redis))
	fixed("journal", have.Journal == want.Journal)
	return errors.Join(faults...)
}

func (n *node) reloadOnHangup(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			_ = n.reload() // which has logged why, if it was refused
		}
	}
}
