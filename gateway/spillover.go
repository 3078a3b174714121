package gateway

import (
	"weir/meter"
)

// Spillover is what Azure does with a request that a provisioned deployment has no room
// for: it sends it on to a standard deployment of the same resource and says so in its
// headers (Microsoft, "Manage traffic with spillover", 2026-01-30).
type Spillover struct {
	To    string       // requested with each request; "": as set at the deployment
	Rates *meter.Rates // prices of tokens there; nil: the deployment's own
	Price string       // Rates in words, with their source
}

// hear reads the headers of an answer that concern Weir.
func (b *booking) hear() {
	b.readLimits()
	t := b.target
	if t.Quota.Drain == 0 {
		return
	}
	if b.reply.SpilledFrom() {
		b.rec.Reason, b.spilled = reasonAzure, true
		b.served.spilledOver(b.g.now(), b.id)
	}
	if b.reply.SpillFailed() {
		b.rec.SpillFailures++
	}
}

// rates are the prices of the answer's tokens. A request that Azure sent on is paid per
// token, at the standard deployment's price.
func (b *booking) rates() meter.Rates {
	if b.spilled && b.target.Spillover.Rates != nil {
		return *b.target.Spillover.Rates
	}
	return b.target.Rates
}

// price describes those prices.
func (b *booking) price() string {
	if b.spilled && b.target.Spillover.Rates != nil {
		return b.target.Spillover.Price
	}
	return b.target.Price
}
