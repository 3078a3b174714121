package main

import (
	"context"
	"fmt"
	"time"

	"weir"
	"weir/config"
	"weir/meter"
)

// restoreBudgets tells the gateway what the ledger knows to be used of the
// tenants' budgets, so that a new start gives nobody a second one.
func (n *node) restoreBudgets(ctx context.Context, c *config.Config) error {
	bounded := false
	for _, t := range c.Tenants {
		bounded = bounded || config.Bounds(config.Limits{}, t.Budget)
	}
	if !bounded {
		return nil
	}
	day, month := meter.Calendar(weir.At(time.Now()))
	today, err := n.spentSince(ctx, day)
	if err != nil {
		return err
	}
	this, err := n.spentSince(ctx, month)
	if err != nil {
		return err
	}
	for _, t := range c.Tenants {
		n.gateway.RestoreBudget(meter.Scope{Tenant: t.Name}, today[t.Name], this[t.Name])
	}
	return nil
}

// spentSince is what each tenant has used since the beginning of a minute.
func (n *node) spentSince(ctx context.Context, from weir.Instant) (map[string]meter.Spent, error) {
	rows, err := n.ledger.Usage(ctx, meter.Query{From: from.Time().Unix() / 60, Step: meter.Whole, AllKeys: true, AllModels: true, AllDeployments: true})
	if err != nil {
		return nil, fmt.Errorf("what is used of the budgets: %w", err)
	}
	spent := map[string]meter.Spent{}
	for _, r := range rows {
		spent[r.Tenant] = meter.Spent{Tokens: r.Prompt + r.Completion, Cost: r.Cost}
	}
	return spent, nil
}
