package arm

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// write serves PUT, PATCH and DELETE of a resource. The answers are those the
// SDKs accept: 201 for what is new, 200 for what changes by PUT, 202 for PATCH
// and DELETE that take time, 204 for a DELETE of what is not there.
func (c *Cloud) write(w http.ResponseWriter, r *http.Request, k *kind, id rid, body object, now time.Time) *problem {
	ch := &change{method: r.Method, id: id, kind: k, old: c.resources[id.key()], now: now}
	if ch.old != nil {
		ch.id, ch.before = ch.old.id, ch.old.body // spelled as when it was made
	}
	if p := c.mayWrite(r, ch); p != nil {
		return p
	}
	switch {
	case ch.old == nil && r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
		return nil
	case ch.old == nil && r.Method == http.MethodPatch:
		return notFound(id)
	case r.Method == http.MethodPut:
		ch.body = body
	case r.Method == http.MethodPatch:
		ch.body = merge(ch.before, body).(object)
	}
	if ch.body != nil {
		delete(ch.body, "etag")
	}
	cancels := k.cancels && ch.body == nil
	if op := c.under(ch); op != nil && !cancels {
		return k.stands(op)
	}
	var out outcome
	if p := c.vet(ch, body); p != nil {
		return p
	}
	if p := c.refusal(ch); p != nil {
		return p
	}
	if k.plan != nil {
		if out = k.plan(c, ch); out.now != nil {
			return out.now
		}
	}
	if cancels {
		c.cancel(ch.lock())
	}
	res, op := c.start(ch, out)
	c.answer(w, r, ch, res, op)
	return nil
}

// stands is the answer to a write that a running operation stands in the way of.
func (k *kind) stands(op *operation) *problem {
	busy := k.busy
	busy.message = strings.ReplaceAll(busy.message, "{operation}", op.id)
	return &busy
}

// mayWrite checks what does not depend on the body: the resource above, the
// number of resources, and If-Match.
func (c *Cloud) mayWrite(r *http.Request, ch *change) *problem {
	if len(ch.id.names) > 1 && c.above(ch.id) == nil {
		if r.Method == http.MethodDelete {
			return nil // answered 204, as what is not there
		}
		return refuse(http.StatusNotFound, "ParentResourceNotFound", "Failed to perform the operation: the parent resource '"+ch.id.parent()+"' was not found.")
	}
	if ch.old == nil && len(c.resources) >= maxResources {
		return refuse(http.StatusConflict, "ResourceQuotaExceeded", "the emulated resource group is full")
	}
	if !ch.kind.etags {
		return nil
	}
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case match != "" && match != "*" && (ch.old == nil || match != ch.old.tag()),
		match == "*" && ch.old == nil, none == "*" && ch.old != nil:
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "The condition of If-Match or If-None-Match is not met: read the resource again.")
	}
	return nil
}

func (c *Cloud) vet(ch *change, given object) *problem {
	if ch.body == nil {
		return nil
	}
	if ch.method == http.MethodPatch {
		if p := patchable(ch, given); p != nil {
			return p
		}
		if b, err := json.Marshal(ch.body); err != nil || len(b) > maxBody {
			return refuse(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "the resource would be longer than 4 MiB")
		}
	}
	if up := c.above(ch.id); up != nil && !up.made {
		return refuse(http.StatusConflict, "ResourceNotReady", "The parent resource "+up.id.name()+" is "+up.state+".")
	}
	if ch.kind.check == nil {
		return nil
	}
	return ch.kind.check(c, ch)
}

// patchable: a PATCH carries sku, tags and identity only. The body types of the
// SDKs' updates have no other member (armmachinelearning v4 PartialMinimal…,
// armcognitiveservices v2 PatchResourceTagsAndSKU); kinds that allow properties
// say so.
func patchable(ch *change, given object) *problem {
	for key := range given {
		switch key {
		case "sku", "tags", "identity":
		case "properties":
			if !patchesProperties[lower(ch.kind.typ)] {
				return refuse(http.StatusBadRequest, "BadArgument", "A PATCH of "+ch.kind.typ+" carries sku, tags and identity only; put the whole resource to change "+key+".")
			}
		default:
			return refuse(http.StatusBadRequest, "BadArgument", "A PATCH of "+ch.kind.typ+" cannot carry "+key+".")
		}
	}
	return nil
}

var patchesProperties = map[string]bool{"microsoft.insights/autoscalesettings": true, "microsoft.machinelearningservices/batchendpoints": true}

// merge is RFC 7396: a null removes a member.
func merge(old, patch any) any {
	p, ok := patch.(object)
	if !ok {
		return clone(patch)
	}
	to := object{}
	if o, ok := old.(object); ok {
		to = clone(o).(object)
	}
	for k, v := range p {
		if v == nil {
			delete(to, k)
			continue
		}
		to[k] = merge(to[k], v)
	}
	return to
}

func (c *Cloud) answer(w http.ResponseWriter, r *http.Request, ch *change, res *resource, op *operation) {
	running := op.status == "InProgress"
	if running {
		c.follows(w, ch, op, r.URL.Query().Get("api-version"))
	}
	switch {
	case ch.body == nil && running:
		w.WriteHeader(http.StatusAccepted)
		return
	case ch.body == nil:
		w.WriteHeader(http.StatusOK)
		return
	}
	status := http.StatusOK
	switch {
	case ch.creates():
		status = http.StatusCreated
	case r.Method == http.MethodPatch && running:
		status = http.StatusAccepted
	}
	if ch.kind.etags {
		w.Header().Set("Etag", res.tag())
	}
	writeJSON(w, status, c.render(res))
}
