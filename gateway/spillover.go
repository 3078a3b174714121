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
func (l *lease) hear() {
	l.told()
	t := l.target
	if t.Quota.Drain == 0 {
		return
	}
	if l.reply.SpilledFrom() {
		l.rec.Route, l.spilled = routeAzure, true
		l.served.servedElsewhere(l.g.now(), l.id)
	}
	if l.reply.SpillFailed() {
		l.rec.SpillFailures++
	}
}

// rates are what the answer's tokens cost. What Azure has sent on is paid by the
// token, as at the standard deployment it went to.
func (l *lease) rates() meter.Rates {
	if l.spilled && l.target.Spillover.Rates != nil {
		return *l.target.Spillover.Rates
	}
	return l.target.Rates
}

// price says which prices those are.
func (l *lease) price() string {
	if l.spilled && l.target.Spillover.Rates != nil {
		return l.target.Spillover.Price
	}
	return l.target.Price
}
