package arm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// operation is a write that takes time ("Track asynchronous Azure operations"):
// the answer to it carries Azure-AsyncOperation, whose address says status
// InProgress, Succeeded or Failed, and Location, which answers 202 until the
// end. A client that goes away changes nothing: the operation goes on.
type operation struct {
	id     string
	lock   string
	change *change
	key    string // of the resource
	began  time.Time
	ends   time.Time
	hangs  bool // until an operator ends it
	status string
	fail   *problem // how it ends or ended; nil: well
}

// maxOperations bounds the remembered ones: the oldest that ended go first.
const maxOperations = 10_000

// pollAfter is the Retry-After of a running operation, in emulated time. Choice:
// services differ between 5 and 60 s.
const pollAfter = 10 * time.Second

// Times are of what an operation takes: half of them at most P50, nine of ten at
// most P90, with the tail of a log-normal distribution.
type Times struct{ P50, P90 time.Duration }

// times are the defaults. Only the first two have a public source: users report
// 12 to 18 minutes for a scale-out (azureml-examples issue 3515, 2025-02), and
// creation takes no less. The others are a choice.
var times = map[string]Times{
	"deployment-create":  {12 * time.Minute, 18 * time.Minute},
	"deployment-out":     {12 * time.Minute, 18 * time.Minute},
	"deployment-in":      {2 * time.Minute, 4 * time.Minute},
	"deployment-delete":  {3 * time.Minute, 5 * time.Minute},
	"deployment-refused": {10 * time.Second, 20 * time.Second}, // no quota, a bad image
	"deployment-stock":   {3 * time.Minute, 6 * time.Minute},   // no machine is found
	"deployment-crash":   {6 * time.Minute, 8 * time.Minute},   // probes: 10 s + 30 x 10 s, after the image
	"account":            {20 * time.Second, time.Minute},
	"openai-create":      {30 * time.Second, 2 * time.Minute},
	"openai-resize":      {20 * time.Second, time.Minute},
	"openai-stock":       {40 * time.Second, 2 * time.Minute},
	"openai-delete":      {10 * time.Second, 30 * time.Second},
	"group-create":       {30 * time.Second, 90 * time.Second},
	"group-start":        {20 * time.Second, time.Minute},
	"group-delete":       {10 * time.Second, 30 * time.Second},
	"cluster-create":     {5 * time.Minute, 9 * time.Minute},
	"cluster-update":     {time.Minute, 3 * time.Minute},
	"cluster-delete":     {4 * time.Minute, 7 * time.Minute},
	"cluster-start":      {4 * time.Minute, 8 * time.Minute},
	"cluster-stop":       {3 * time.Minute, 6 * time.Minute},
	"pool-out":           {4 * time.Minute, 8 * time.Minute},
	"pool-in":            {2 * time.Minute, 5 * time.Minute},
	"pool-update":        {30 * time.Second, 90 * time.Second},
	"pool-stock":         {6 * time.Minute, 12 * time.Minute},
	"job-nodes":          {4 * time.Minute, 8 * time.Minute}, // a cluster that starts from no node
	"job-work":           {5 * time.Minute, 10 * time.Minute},
	"endpoint-create":    {90 * time.Second, 3 * time.Minute},
	"endpoint-update":    {15 * time.Second, 40 * time.Second},
	"endpoint-delete":    {time.Minute, 3 * time.Minute},
}

func checkTimes(given map[string]Times) error {
	for name, t := range given {
		if _, ok := times[name]; !ok {
			return fmt.Errorf("emulate: times of %q: there is no such operation", name)
		}
		if t.P50 < 0 || t.P90 < t.P50 {
			return fmt.Errorf("emulate: times of %q are %v and %v: want 0 <= P50 <= P90", name, t.P50, t.P90)
		}
	}
	return nil
}

// draw is the time of the n-th operation, the same for the same seed.
func (c *Cloud) draw(name string, n uint64) time.Duration {
	t, ok := c.o.Times[name]
	if !ok {
		t = times[name]
	}
	if t.P50 == 0 || t.P90 == t.P50 {
		return t.P50
	}
	const ninetieth = 1.2815515655446004 // standard deviations
	sigma := math.Log(float64(t.P90)/float64(t.P50)) / ninetieth
	z := max(-2.5, min(2.5, rand.New(rand.NewPCG(c.o.Seed, n)).NormFloat64()))
	return time.Duration(float64(t.P50) * math.Exp(sigma*z))
}

// start makes the change visible and sets the operation going; an outcome
// without a span is at its end already.
func (c *Cloud) start(ch *change, out outcome) (*resource, *operation) {
	c.serial++
	r := ch.old
	if r == nil {
		r = &resource{id: ch.id, kind: ch.kind, created: ch.now}
		c.resources[ch.id.key()] = r
	}
	if ch.body != nil {
		r.body = ch.body
	}
	r.modified, r.etag = ch.now, c.serial
	op := &operation{id: requestID(), lock: ch.lock(), change: ch, key: ch.id.key(), began: ch.now, status: "InProgress", fail: out.fail}
	r.op, r.state = op, ch.state()
	if !ch.given {
		c.inject(ch, op)
	}
	op.ends = ch.now.Add(c.draw(out.span, c.serial))
	c.ops[op.id] = op
	c.order = append(c.order, op.id)
	c.active = append(c.active, op)
	c.forget()
	if out.span == "" && !op.hangs {
		c.finish(op)
	}
	return r, op
}

// state is the provisioningState while the change is under way.
func (ch *change) state() string {
	switch {
	case ch.body == nil:
		return "Deleting"
	case ch.creates():
		return "Creating"
	case ch.method == http.MethodPatch && ch.kind.update != "":
		return ch.kind.update
	}
	return or(ch.kind.put, "Updating")
}

func (ch *change) lock() string {
	if ch.kind.lock == nil {
		return ch.id.key()
	}
	return ch.kind.lock(ch.id)
}

// settle ends every operation whose time has come, in the order of their ends.
func (c *Cloud) settle() time.Time {
	now := c.clock.now()
	var due []*operation
	for _, op := range c.active {
		if !op.hangs && !op.ends.After(now) {
			due = append(due, op)
		}
	}
	slices.SortStableFunc(due, func(a, b *operation) int { return a.ends.Compare(b.ends) })
	for _, op := range due {
		if op.status == "InProgress" { // not ended by one before it
			c.finish(op)
		}
	}
	c.endGroups(now)
	return now
}

// finish applies what an operation comes to. A change that failed leaves a
// resource as it was before, with state Failed; a new one stays, Failed, and
// holds no quota (choice).
func (c *Cloud) finish(op *operation) {
	r, ch := c.resources[op.key], op.change
	c.over(op)
	op.status = "Succeeded"
	if op.fail != nil {
		op.status = "Failed"
	}
	if r == nil || r.op != op { // removed with what is above it
		return
	}
	r.op, r.modified = nil, op.ends
	switch {
	case op.fail != nil:
		r.state = "Failed"
		if ch.before != nil {
			r.body = ch.before
		}
		if ch.kind.failed != nil {
			ch.kind.failed(r, op.fail)
		}
	case ch.body == nil:
		c.remove(r)
		if ch.kind.ended != nil {
			ch.kind.ended(c, r, ch)
		}
	default:
		r.state, r.made = "Succeeded", true
		if ch.kind.ended != nil {
			ch.kind.ended(c, r, ch)
		}
	}
}

func (c *Cloud) over(op *operation) {
	c.active = slices.DeleteFunc(c.active, func(o *operation) bool { return o == op })
}

func (c *Cloud) forget() {
	for i := 0; len(c.order) > maxOperations && i < len(c.order); {
		if id := c.order[i]; c.ops[id].status != "InProgress" {
			delete(c.ops, id)
			c.order = slices.Delete(c.order, i, i+1)
			continue
		}
		i++
	}
}

// cancel ends what runs under a lock. A resource keeps what it was before.
func (c *Cloud) cancel(lock string) {
	for _, op := range slices.Clone(c.active) {
		if op.lock != lock {
			continue
		}
		c.end(op)
		if r := c.resources[op.key]; r != nil && r.op == op {
			if r.op, r.state = nil, "Canceled"; op.change.before != nil {
				r.body = op.change.before
			}
		}
	}
}

func (c *Cloud) end(op *operation) {
	c.over(op)
	op.status, op.fail = "Canceled", refuse(http.StatusConflict, "OperationCanceled", "another operation has taken its place")
}

// under is the running operation that a change would run into.
func (c *Cloud) under(ch *change) *operation {
	lock := ch.lock()
	for _, op := range c.active {
		if op.lock == lock {
			return op
		}
	}
	return nil
}

// follow serves the two addresses of an operation. Both need a token of the
// tenant, as everything of Resource Manager.
func (c *Cloud) follow(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	op := c.ops[parts[len(parts)-1]]
	if op == nil {
		c.fail(w, refuse(http.StatusNotFound, "NotFound", "the operation was not found"))
		return
	}
	if p := c.regionLost(place(parts[len(parts)-3])); p != nil {
		c.fail(w, p)
		return
	}
	running := op.status == "InProgress"
	if running {
		c.retryAfter(w, pollAfter)
	}
	if parts[len(parts)-2] == "operationsStatus" {
		v := object{"id": r.URL.Path, "name": op.id, "status": op.status, "startTime": op.began.UTC().Format(time.RFC3339Nano)}
		if !running {
			v["endTime"] = op.ends.UTC().Format(time.RFC3339Nano)
		}
		if op.fail != nil && !running {
			v["error"] = op.fail.body()["error"]
		}
		writeJSON(w, http.StatusOK, v)
		return
	}
	switch target := c.resources[op.key]; {
	case running:
		w.Header().Set("Location", c.url+r.URL.RequestURI())
		w.WriteHeader(http.StatusAccepted)
	case op.fail != nil:
		c.fail(w, op.fail)
	case target == nil || op.change.body == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusOK, c.render(target))
	}
}

// follows adds the addresses of an operation to the answer of its write.
func (c *Cloud) follows(w http.ResponseWriter, ch *change, op *operation, version string) {
	namespace, _, _ := strings.Cut(ch.id.typ, "/")
	at := fmt.Sprintf("%s/subscriptions/%s/providers/%s/locations/%s/", c.url, ch.id.subscription, namespace, url.PathEscape(c.placeOf(ch.id, ch.body)))
	tail := op.id + "?api-version=" + version
	w.Header().Set("Azure-AsyncOperation", at+"operationsStatus/"+tail)
	w.Header().Set("Location", at+"operationResults/"+tail)
	c.retryAfter(w, pollAfter)
}
