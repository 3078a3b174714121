package gateway

import (
	"weir/meter"
)

// Spillover is what Azure itself does with a request that a provisioned
// deployment has no room for: it sends it on to a standard deployment of the same
// resource and says so in its headers (Microsoft, "Manage traffic with
// spillover", 2026-01-30).
type Spillover struct {
	To    string       // asked for with each request; "": as the deployment itself is set
	Rates *meter.Rates // what tokens cost there; nil: as the deployment's own
	Price string       // Rates in words, and where they are from
}

// hear reads what the headers of an answer say to Weir.
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

// rates are what the answer's tokens cost. What Azure has sent on is paid by the
// token, as at the standard deployment it went to.
func (b *booking) rates() meter.Rates {
	if b.spilled && b.target.Spillover.Rates != nil {
		return *b.target.Spillover.Rates
	}
	return b.target.Rates
}

// price says which prices those are.
func (b *booking) price() string {
	if b.spilled && b.target.Spillover.Rates != nil {
		return b.target.Spillover.Price
	}
	return b.target.Price
}
