package arm

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// operator serves the paths under /emulator/, which Azure does not have: they
// say what is there and make things go wrong. They need no token: the server is
// on loopback.
func (c *Cloud) operator(m *http.ServeMux) {
	m.HandleFunc("GET /emulator/state", c.showState)
	m.HandleFunc("GET /emulator/calls", c.showCalls)
	m.HandleFunc("GET /emulator/faults", c.showFaults)
	m.HandleFunc("PUT /emulator/faults", c.putFaults)
	m.HandleFunc("DELETE /emulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		_ = c.Inject() // no faults are always valid
		w.WriteHeader(http.StatusNoContent)
	})
	m.HandleFunc("PUT /emulator/quota", c.putQuota)
	m.HandleFunc("POST /emulator/clock", c.postClock)
	m.HandleFunc("POST /emulator/tokens/expire", func(w http.ResponseWriter, _ *http.Request) {
		c.ExpireTokens()
		w.WriteHeader(http.StatusNoContent)
	})
}

// ExpireTokens lets every token issued until now be expired, keys excepted.
func (c *Cloud) ExpireTokens() { c.issuer.revoked.Store(time.Now().UnixNano()) }

// Advance moves emulated time forward.
func (c *Cloud) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock.ahead += max(min(d, maxAhead-c.clock.ahead), 0)
	c.settle()
}

// maxAhead bounds the time that the clock may be moved by in all, so that it
// stays within what a time.Duration holds.
const maxAhead = 100 * 365 * 24 * time.Hour

// SetQuota changes a limit; name is as in Options.Quota.
func (c *Cloud) SetQuota(name string, limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits[lower(name)] = limit
}

// Actions are the role actions asked for so far, with their number.
func (c *Cloud) Actions() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls.actions)
}

func (c *Cloud) showState(w http.ResponseWriter, _ *http.Request) {
	c.locked(w, func(w http.ResponseWriter) {
		now := c.settle()
		all := []any{}
		for _, key := range slices.Sorted(maps.Keys(c.resources)) {
			r := c.resources[key]
			v := object{"id": r.id.text, "state": r.state, "instances": r.live}
			if r.op != nil {
				v["operation"] = object{"id": r.op.id, "method": r.op.change.method, "left": r.op.ends.Sub(now).Round(time.Second).String(), "hangs": r.op.hangs}
			}
			if r.server != nil {
				v["scoring"] = r.server.counts()
			}
			all = append(all, v)
		}
		writeJSON(w, http.StatusOK, object{"now": now.UTC().Format(time.RFC3339Nano), "speed": c.o.Speed, "resources": all})
	})
}

func (c *Cloud) showCalls(w http.ResponseWriter, _ *http.Request) {
	c.locked(w, func(w http.ResponseWriter) {
		writeJSON(w, http.StatusOK, object{"actions": c.calls.actions, "latest": c.calls.latest})
	})
}

func (c *Cloud) showFaults(w http.ResponseWriter, _ *http.Request) {
	c.locked(w, func(w http.ResponseWriter) { writeJSON(w, http.StatusOK, append([]*Fault{}, c.faults...)) })
}

func (c *Cloud) putFaults(w http.ResponseWriter, r *http.Request) {
	var list []Fault
	if !c.decode(w, r, &list) {
		return
	}
	if err := c.Inject(list...); err != nil {
		c.fail(w, refuse(http.StatusBadRequest, "BadArgument", err.Error()))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// maxLimits bounds those that are set.
const maxLimits = 10_000

// putQuota takes {"swedencentral/standardDSv2Family": 24, …}.
func (c *Cloud) putQuota(w http.ResponseWriter, r *http.Request) {
	var limits map[string]int
	if !c.decode(w, r, &limits) {
		return
	}
	for name, n := range limits {
		if n < 0 {
			c.fail(w, badArgument("the limit %d of %s: want 0 or more.", n, name))
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.limits)+len(limits) > maxLimits {
		c.fail(w, badArgument("there are too many limits: want at most 10,000"))
		return
	}
	for name, n := range limits {
		c.limits[lower(name)] = n
	}
	w.WriteHeader(http.StatusNoContent)
}

// postClock takes {"advance": "15m"}.
func (c *Cloud) postClock(w http.ResponseWriter, r *http.Request) {
	var q struct{ Advance string }
	if !c.decode(w, r, &q) {
		return
	}
	d, err := time.ParseDuration(q.Advance)
	if err != nil || d < 0 || d > maxAhead {
		c.fail(w, badArgument("advance %q: want a time forward, as 15m, of at most %v in all.", q.Advance, maxAhead))
		return
	}
	c.Advance(d)
	w.WriteHeader(http.StatusNoContent)
}

func (c *Cloud) decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		c.fail(w, refuse(http.StatusBadRequest, "BadArgument", "the body: "+err.Error()))
		return false
	}
	return true
}
