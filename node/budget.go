package node

import (
	"context"
	"fmt"
	"time"

	"weir"
	"weir/gateway"
	"weir/meter"
	"weir/store"
)

// restoreBudgets gives the gateway the use of each budget from the ledger, so a
// restart gives no tenant a second budget. The ledger does not record the use
// of classes.
func restoreBudgets(ctx context.Context, ledger *store.DB, to *gateway.Gateway, g *gateway.Config) error {
	scopes := budgeted(g)
	if len(scopes) == 0 {
		return nil
	}
	serves := map[string]string{}
	for _, m := range g.Models {
		for _, d := range m.Deployments {
			serves[d.Name] = d.Serves
		}
	}
	day, month := meter.Calendar(weir.At(time.Now()))
	today, err := spentSince(ctx, ledger, day, serves)
	if err != nil {
		return err
	}
	this, err := spentSince(ctx, ledger, month, serves)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		to.RestoreBudget(s, today[s], this[s])
	}
	return nil
}

// budgeted are the scopes that have a budget.
func budgeted(g *gateway.Config) []meter.Scope {
	var scopes []meter.Scope
	add := func(s meter.Scope, l meter.Limits) {
		b := l.Budget
		if b.Cut, b.Whole = false, false; b != (meter.Budget{}) {
			scopes = append(scopes, s)
		}
	}
	for _, t := range g.Tenants {
		add(meter.Scope{Tenant: t.Name}, t.Limits)
		for _, k := range t.Keys {
			add(meter.Scope{Tenant: t.Name, Key: k.Name}, k.Limits)
		}
	}
	for i := range g.Models {
		add(meter.Scope{Model: g.Models[i].Name}, g.Models[i].Limits)
	}
	for _, l := range g.Limits {
		add(l.Scope, l.Limits)
	}
	return scopes
}

// maxRestored bounds the rows read at a start: one per key, model and
// deployment used in the month.
const maxRestored = 1_000_000

// spentSince is the use of each scope since a minute. A deployment that serves
// for another model counts for both.
func spentSince(ctx context.Context, ledger *store.DB, from weir.Instant, serves map[string]string) (map[meter.Scope]meter.Spent, error) {
	rows, err := ledger.Usage(ctx, meter.Query{From: from.Time().Unix() / 60, Step: meter.Whole, Limit: maxRestored})
	if err != nil {
		return nil, fmt.Errorf("usage of the budgets: %w", err)
	}
	spent := map[meter.Scope]meter.Spent{}
	for _, r := range rows {
		for _, s := range countedBy(&r, serves[r.Deployment]) {
			sum := spent[s]
			spent[s] = meter.Spent{Tokens: sum.Tokens + r.Prompt + r.Completion, Cost: sum.Cost + r.Cost}
		}
	}
	return spent, nil
}

// countedBy are the scopes that count a row: of the requested model and, if
// different, of the model that served it.
func countedBy(r *meter.Row, served string) []meter.Scope {
	whose := []meter.Scope{{}}
	if r.Tenant != "" {
		whose = append(whose, meter.Scope{Tenant: r.Tenant})
	}
	if r.Key != "" {
		whose = append(whose, meter.Scope{Tenant: r.Tenant, Key: r.Key})
	}
	counted := whose
	for i, model := range []string{r.Model, served} {
		if model == "" || i > 0 && model == r.Model {
			continue
		}
		for _, s := range whose {
			s.Model = model
			counted = append(counted, s)
		}
	}
	return counted
}
