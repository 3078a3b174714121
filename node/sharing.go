package node

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"weir/dispatch"
	"weir/gateway"
	"weir/limits"
	"weir/meter"
	"weir/observe"
)

// joinWithin is how long a start waits for its first leases. If Redis is down,
// the node serves with its part of the limits.
const joinWithin = time.Second

// sharing is a node's part among the gateways that share limits.
type sharing struct {
	gateway *gateway.Gateway
	redis   *limits.Shared
}

// newSharing joins the gateways that share limits; nil if the setup has no
// Redis.
func newSharing(s *Sharing, g *gateway.Gateway, log *slog.Logger) (*sharing, error) {
	if s == nil {
		return nil, nil
	}
	p := &sharing{gateway: g}
	o := s.Redis
	o.Log = log
	o.Local = limits.Local{
		Now: g.Now, Leases: g.Leases, Throttle: g.Throttle,
		Answers: g.TakeAnswers, Learn: g.Learn, Booked: p.booked, Book: p.book,
	}
	var err error
	if p.redis, err = limits.New(o); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	g.Share(gateway.Sharing{Gateways: s.Gateways, Wake: p.redis.Wake, Throttled: p.redis.Throttled, Note: p.redis.Note, Noted: p.redis.Noted})
	return p, nil
}

// booked are this gateway's bookings of its providers' quotas.
func (p *sharing) booked() (all []limits.Quota) {
	p.gateway.Booked(func(deployment string, b dispatch.Booked) {
		all = append(all, limits.Quota{Deployment: deployment, Drain: b.Drain, Tokens: b.Tokens, Requests: b.Requests})
	})
	return all
}

// book counts the bookings of other gateways.
func (p *sharing) book(q limits.Quota) {
	p.gateway.BookRemote(q.Deployment, dispatch.Booked{Drain: q.Drain, Tokens: q.Tokens, Requests: q.Requests})
}

// join waits for the first leases of the limits.
func (p *sharing) join(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	p.redis.Join(ctx)
}

// levels runs at each scrape.
func (p *sharing) levels() observe.Shared {
	st := p.redis.Status()
	s := observe.Shared{Connected: st.Connected, Gateways: st.Gateways, Visits: st.Visits, Failures: st.Failures, Healed: st.Healed}
	for _, l := range p.leaseViews() {
		if scope, limit, ok := strings.Cut(l.Budget, "|"); ok {
			s.Leases = append(s.Leases, observe.Lease{Scope: scope, Limit: strings.SplitN(limit, "|", 2)[0], Units: l.Held})
		}
	}
	return s
}

// leaseView is one lease as operators see it.
type leaseView struct {
	Budget string `json:"budget"`
	Held   int64  `json:"held"`
	Whole  int64  `json:"whole"`
}

func (p *sharing) leaseViews() []leaseView {
	views := []leaseView{}
	p.gateway.Leases(func(ls *meter.Leases) {
		ls.Each(func(name string, held, whole int64) { views = append(views, leaseView{name, held, whole}) })
	})
	return views
}

// sharedView is the state of shared limits as operators see it.
type sharedView struct {
	Connected bool        `json:"connected"`
	Since     time.Time   `json:"since"`
	Error     string      `json:"error,omitempty"`
	Gateways  int         `json:"gateways"`
	Visits    uint64      `json:"visits"`
	Failures  uint64      `json:"failures"`
	Leases    []leaseView `json:"leases"`
}

// serve answers GET /admin/shared. A nil sharing says that nothing is shared.
func (p *sharing) serve(w http.ResponseWriter, _ *http.Request) {
	if p == nil {
		http.Error(w, "limits are not shared: the configuration names no redis", http.StatusNotFound)
		return
	}
	s := p.redis.Status()
	reply(w, sharedView{Connected: s.Connected, Since: s.Since, Error: s.Error, Gateways: s.Gateways,
		Visits: s.Visits, Failures: s.Failures, Leases: p.leaseViews()})
}

// note is what /readyz says after ok: a gateway without Redis is still ready.
func (p *sharing) note() string {
	if p == nil {
		return ""
	}
	if s := p.redis.Status(); !s.Connected {
		return fmt.Sprintf("redis has not answered for %v: limits continue with the current leases", time.Since(s.Since).Round(time.Second))
	}
	return ""
}
