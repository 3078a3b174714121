package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Headers of the scoring side ("Safe rollout"; "Troubleshooting online
// endpoints").
const (
	headerDeployment = "Azureml-Model-Deployment"
	headerInner      = "Ms-Azureml-Model-Error-Statuscode"
	headerReason     = "Ms-Azureml-Model-Error-Reason"
)

// maxScore bounds a scoring request. Azure's payload limit is 10 MB ("Manage
// resources and quotas").
const maxScore = 10 << 20

// score is the scoring side of an online endpoint. What stands behind /score and
// behind every other path is the deployment's container; that all paths reach a
// container is documented for the scoring route only (choice).
func (c *Cloud) score(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxScore))
	if err != nil {
		plain(w, http.StatusRequestEntityTooLarge, "the request is longer than 10 MB")
		return
	}
	t, status, why := c.target(r)
	if status != 0 {
		plain(w, status, why)
		return
	}
	if t.mirror != nil {
		c.mirror(*t.mirror, r, body)
	}
	w.Header().Set(headerDeployment, t.name)
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	defer cancel()
	inst, err := t.pool.take(ctx)
	switch {
	case errors.Is(err, errPending):
		plain(w, http.StatusTooManyRequests, "Too many pending requests")
		return
	case err != nil:
		t.pool.count(func(s *counts) { s.Failed++ })
		plain(w, http.StatusRequestTimeout, "upstream request timeout")
		return
	}
	defer t.pool.give(inst)
	out := &container{w: w, ctx: ctx}
	if t.fault != nil {
		out.Header().Set("Content-Type", "text/plain")
		out.WriteHeader(or(t.fault.Status, http.StatusInternalServerError))
		_, _ = io.WriteString(out, or(t.fault.Message, "failed by the emulator"))
	} else {
		t.serve(ctx, out, r, inst, body)
	}
	out.close(t)
}

// target is the deployment a request goes to.
type target struct {
	name    string
	path    string // behind the endpoint
	timeout time.Duration
	pool    *pool
	fault   *Fault  // its container fails
	mirror  *target // gets the same request, and its answer is dropped
}

// target checks the credential and picks the deployment: the one named in a
// header, or one by the shares of traffic; 404 where none has any.
func (c *Cloud) target(r *http.Request) (t target, status int, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	id, ok := parseID("/subscriptions/" + c.o.Subscription + "/resourceGroups/" + c.o.ResourceGroup +
		"/providers/Microsoft.MachineLearningServices/workspaces/" + r.PathValue("workspace") + "/onlineEndpoints/" + r.PathValue("endpoint"))
	e := c.resources[id.key()]
	if !ok || e == nil || e.keys[0] == "" {
		return t, http.StatusNotFound, "there is no endpoint " + r.PathValue("endpoint")
	}
	if p := c.regionLost(c.location(id, e.body)); p != nil {
		return t, p.status, p.message
	}
	if why := c.mayScore(e, r); why != "" {
		return t, http.StatusUnauthorized, why
	}
	d := c.pick(e, r.Header.Get(headerDeployment))
	if d == nil {
		return t, http.StatusNotFound, "No valid deployments to route to. Please check that the endpoint has at least one deployment with positive weight values or use a deployment specific header to route."
	}
	path := strings.TrimPrefix(r.URL.Path, "/inference/"+r.PathValue("workspace")+"/"+r.PathValue("endpoint"))
	t = c.targetAt(d, path, r.Method)
	if m := c.mirrored(e); m != nil && r.Header.Get(headerDeployment) == "" {
		mirror := c.targetAt(m, path, r.Method)
		t.mirror = &mirror
	}
	return t, 0, ""
}

func (c *Cloud) targetAt(d *resource, path, method string) target {
	t := target{name: d.id.name(), pool: d.server, path: path}
	t.timeout, _ = isoSpan(textAt(d.body, "properties", "requestSettings", "requestTimeout"))
	t.fault = c.fault("container", c.location(d.id, d.body), skuOf(d.body), d.id.text, method, true)
	return t
}

// mirrored is the deployment that gets a copy of this request too, by
// mirrorTraffic; nil: none. The copies are spread evenly.
func (c *Cloud) mirrored(e *resource) *resource {
	for name := range mapAt(e.body, "properties", "mirrorTraffic") {
		share, _ := intAt(e.body, "properties", "mirrorTraffic", name)
		d := c.resources[e.id.key()+"/deployments/"+lower(name)]
		if share == 0 || d == nil || d.live == 0 {
			continue
		}
		if e.turns += share; e.turns >= 100 {
			e.turns -= 100
			return d
		}
	}
	return nil
}

// mirror sends a copy, whose answer is dropped ("Safe rollout").
func (c *Cloud) mirror(t target, r *http.Request, body []byte) {
	c.mu.Lock()
	base := c.base
	c.mu.Unlock()
	if base == nil || base.Err() != nil {
		return
	}
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(base, t.timeout)
		defer cancel()
		inst, err := t.pool.take(ctx)
		if err != nil {
			return
		}
		defer t.pool.give(inst)
		out := &container{w: &dropped{header: http.Header{}}, ctx: ctx}
		defer func() {
			if cut := recover(); cut != nil && cut != http.ErrAbortHandler { //nolint:errorlint // the value panicked with
				panic(cut)
			}
		}()
		t.serve(ctx, out, r.Clone(ctx), inst, body)
		t.pool.count(func(s *counts) { s.Mirrored++ })
	})
}

// dropped is an answer that goes nowhere.
type dropped struct{ header http.Header }

func (d *dropped) Header() http.Header         { return d.header }
func (d *dropped) WriteHeader(int)             {}
func (d *dropped) Write(b []byte) (int, error) { return len(b), nil }

// mayScore says why a request's credential is refused; "" if it is not. The
// header is Authorization: Bearer for all three kinds ("Authenticate to an online
// endpoint").
func (c *Cloud) mayScore(e *resource, r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return "the Authorization header is missing"
	}
	switch textAt(e.body, "properties", "authMode") {
	case "Key":
		if slices.Contains(e.keys[:], token) {
			return ""
		}
		return "the key is not one of this endpoint's"
	case "AMLToken":
		if _, err := c.issuer.check(token, time.Now(), amlAudience(e.id)); err != nil {
			return err.Error()
		}
	default:
		if _, err := c.issuer.check(token, time.Now(), audiences["score"]...); err != nil {
			return err.Error()
		}
	}
	return ""
}

// pick chooses by name, else by traffic. The choice by traffic is an even walk
// through the shares, so that 100 requests meet them exactly (Azure's is random).
func (c *Cloud) pick(e *resource, name string) *resource {
	all := c.children(e.id, "deployments")
	if name != "" {
		for _, d := range all {
			if strings.EqualFold(d.id.name(), name) && d.live > 0 {
				return d
			}
		}
		return nil
	}
	// The share most behind its due is next.
	var best *resource
	sum := 0 // of those that serve: less than 100 while one does not
	for _, d := range all {
		share := trafficOf(e, d.id.name())
		if share == 0 || d.live == 0 {
			continue
		}
		d.turns += share
		sum += share
		if best == nil || d.turns > best.turns {
			best = d
		}
	}
	if best != nil {
		best.turns -= sum
	}
	return best
}

func trafficOf(e *resource, name string) int {
	for key := range mapAt(e.body, "properties", "traffic") {
		if strings.EqualFold(key, name) {
			n, _ := intAt(e.body, "properties", "traffic", key)
			return n
		}
	}
	return 0
}

// serve lets an instance answer. /score takes any JSON: what looks like a chat,
// a completion or an embedding goes to the model's route for it, anything else is
// answered by an echo, as a small model that is not of language would.
func (t target) serve(ctx context.Context, w *container, r *http.Request, inst *instance, body []byte) {
	h, err := t.pool.serverOf(ctx, inst)
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	path := t.path
	if path == "/score" {
		var echo bool
		if path, echo = routeOf(body); echo {
			w.Header().Set("Content-Type", "application/json")
			writeEcho(w, body)
			return
		}
	}
	inner := r.Clone(ctx)
	inner.URL.Path, inner.URL.RawPath = path, ""
	inner.Header.Del("Authorization") // Azure's proxy has checked it
	inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	h.ServeHTTP(w, inner)
}

// writeEcho answers with the input, or with null for what is not JSON.
func writeEcho(w io.Writer, body []byte) {
	if !json.Valid(body) {
		body = []byte("null")
	}
	_ = json.NewEncoder(w).Encode(object{"emulated": true, "input": json.RawMessage(body)})
}

func routeOf(body []byte) (path string, echo bool) {
	var q map[string]json.RawMessage
	if json.Unmarshal(body, &q) != nil {
		return "", true
	}
	switch {
	case q["messages"] != nil:
		return "/v1/chat/completions", false
	case q["prompt"] != nil:
		return "/v1/completions", false
	case q["input"] != nil && q["model"] != nil:
		return "/v1/embeddings", false
	}
	return "", true
}

// container turns a container's answer into Azure's: what is not 200 becomes 424
// with the inner status in headers; what has not begun in time becomes 408.
type container struct {
	w     http.ResponseWriter
	ctx   context.Context
	inner int // status the container gave; 0: none yet
}

func (o *container) Header() http.Header { return o.w.Header() }

func (o *container) WriteHeader(status int) {
	if o.inner != 0 || o.ctx.Err() != nil {
		return
	}
	o.inner = status
	if status >= 200 && status < 300 {
		o.w.WriteHeader(status)
		return
	}
	o.w.Header().Set(headerInner, strconv.Itoa(status))
	o.w.Header().Set(headerReason, http.StatusText(status))
	o.w.WriteHeader(http.StatusFailedDependency)
}

func (o *container) Write(b []byte) (int, error) {
	if o.inner == 0 {
		o.WriteHeader(http.StatusOK)
	}
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	return o.w.Write(b)
}

func (o *container) Flush() {
	if f, ok := o.w.(http.Flusher); ok {
		f.Flush()
	}
}

// close ends the answer: 408 if none has begun, and a cut connection if the time
// ran out in the middle of one.
func (o *container) close(t target) {
	late := o.ctx.Err() != nil
	t.pool.count(func(s *counts) {
		if late || o.inner >= 300 || o.inner == 0 {
			s.Failed++
		} else {
			s.Served++
		}
	})
	switch {
	case late && o.inner == 0:
		for name := range o.w.Header() {
			if name != headerDeployment {
				o.w.Header().Del(name)
			}
		}
		plain(o.w, http.StatusRequestTimeout, "upstream request timeout")
	case late:
		panic(http.ErrAbortHandler)
	}
}

func plain(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, message)
}
