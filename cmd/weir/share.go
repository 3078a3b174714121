package main

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"weir/config"
	"weir/dispatch"
	"weir/gateway"
	"weir/meter"
	"weir/observe"
	"weir/share"
)

// joinWithin is how long a start waits for its first leases. Redis may be away:
// then it serves with its part of the limits.
const joinWithin = time.Second

// shareLimits joins the gateways that share limits, where the file names a
// Redis.
func (n *node) shareLimits(c *config.Config) error {
	r := c.Redis
	if r == nil {
		return nil
	}
	o := share.Options{
		Addrs: r.Addresses, Username: r.Username, Password: r.Password.Reveal(), Prefix: r.Prefix, Lease: r.Lease, Log: n.log,
		Local: share.Local{
			Now: n.gateway.Now, Leases: n.gateway.Leases, Throttle: n.gateway.Throttle,
			Told: n.gateway.Told, Learn: n.gateway.Learn, Booked: n.booked, Book: n.bookElsewhere,
		},
	}
	if t := r.TLS; t != nil {
		o.TLS = &share.TLS{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	}
	var err error
	if n.share, err = share.New(o); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	n.gateway.Share(gateway.Sharing{Gateways: r.Gateways, Wake: n.share.Wake, Throttled: n.share.Throttled, Note: n.share.Note, Noted: n.share.Noted})
	return nil
}

// booked is what this gateway has booked of its providers' quotas.
func (n *node) booked() (all []share.Quota) {
	n.gateway.Booked(func(deployment string, b dispatch.Booked) {
		all = append(all, share.Quota{Deployment: deployment, Drain: b.Drain, Tokens: b.Tokens, Requests: b.Requests})
	})
	return all
}

func (n *node) bookElsewhere(q share.Quota) {
	n.gateway.BookElsewhere(q.Deployment, dispatch.Booked{Drain: q.Drain, Tokens: q.Tokens, Requests: q.Requests})
}

// serveCallers runs the gateway, with its leases of the limits if it can have
// them soon.
func (n *node) serveCallers(ctx context.Context) error {
	if n.share != nil {
		join, cancel := context.WithTimeout(ctx, joinWithin)
		n.share.Join(join)
		cancel()
	}
	return n.gateway.Run(ctx)
}

// sharedLevels is asked at each scrape.
func (n *node) sharedLevels() observe.Shared {
	st := n.share.Status()
	s := observe.Shared{Connected: st.Connected, Gateways: st.Gateways, Visits: st.Visits, Failures: st.Failures, Healed: st.Healed}
	for _, l := range n.leaseViews() {
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

func (n *node) leaseViews() []leaseView {
	views := []leaseView{}
	n.gateway.Leases(func(ls *meter.Leases) {
		ls.Each(func(name string, held, whole int64) { views = append(views, leaseView{name, held, whole}) })
	})
	return views
}

// sharedView is how it stands with shared limits, as operators see it.
type sharedView struct {
	Connected bool        `json:"connected"`
	Since     time.Time   `json:"since"`
	Error     string      `json:"error,omitempty"`
	Gateways  int         `json:"gateways"`
	Visits    uint64      `json:"visits"`
	Failures  uint64      `json:"failures"`
	Leases    []leaseView `json:"leases"`
}

func (n *node) serveShared(w http.ResponseWriter, _ *http.Request) {
	if n.share == nil {
		http.Error(w, "limits are not shared: the configuration names no redis", http.StatusNotFound)
		return
	}
	s := n.share.Status()
	reply(w, sharedView{Connected: s.Connected, Since: s.Since, Error: s.Error, Gateways: s.Gateways,
		Visits: s.Visits, Failures: s.Failures, Leases: n.leaseViews()})
}

// readyNote is what /readyz says beside ok: a gateway without Redis is ready all
// the same.
func (n *node) readyNote() string {
	if n.share == nil {
		return ""
	}
	if s := n.share.Status(); !s.Connected {
		return fmt.Sprintf("redis has been silent for %v: limits go on with the leases that are held", time.Since(s.Since).Round(time.Second))
	}
	return ""
}

// sameRedis says whether two configurations share through the same Redis.
func sameRedis(a, b *config.Redis) bool { return reflect.DeepEqual(a, b) }
