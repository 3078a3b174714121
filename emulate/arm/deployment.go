package arm

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func deploymentKind() *kind {
	return &kind{
		typ: "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments", lock: endpointLock, busy: busyEndpoint, update: "Scaling", failed: failedDeployment,
		check: (*Cloud).checkDeployment, plan: (*Cloud).planDeployment, ended: (*Cloud).endedDeployment, view: viewDeployment,
		posts: map[string]action{"getlogs": getLogs},
		reads: map[string]action{"skus": deploymentSKUs},
	}
}

// checkDeployment: a managed deployment has a size, 1 to 50 instances in
// sku.capacity, and a request timeout of at most 180 s (the yaml reference of
// managed online deployments, 2023-10-19; "Manage resources and quotas",
// 2026-01-27). No document allows 0 instances.
func (c *Cloud) checkDeployment(ch *change) *problem {
	if !endpointName.MatchString(ch.id.name()) {
		return badArgument("The deployment's name %q: want 3 to 32 letters, digits and hyphens, a letter first.", ch.id.name())
	}
	if n := len(c.children(mustParent(ch.id), "deployments")); ch.creates() && n >= maxDeployments {
		return refuse(http.StatusBadRequest, "OutOfQuota", fmt.Sprintf("endpoint %s has its limit of %d deployments", ch.id.names[1], maxDeployments))
	}
	p := child(ch.body, "properties")
	if kind := textAt(p, "endpointComputeType"); kind != "Managed" {
		return badArgument("endpointComputeType %q: only Managed is emulated.", kind)
	}
	if _, ok := c.sizes[lower(textAt(p, "instanceType"))]; !ok {
		return badArgument("instanceType %q is not a known size.", textAt(p, "instanceType"))
	}
	sku := child(ch.body, "sku")
	if sku["name"] == nil {
		sku["name"] = "Default"
	}
	if sku["capacity"] == nil {
		sku["capacity"] = float64(1)
	}
	if n, ok := intAt(sku, "capacity"); !ok || n < 1 || n > maxInstances {
		return badArgument("sku.capacity is %v: want 1 to %d instances.", sku["capacity"], maxInstances)
	}
	if scale := textAt(p, "scaleSettings", "scaleType"); scale != "" && scale != "Default" {
		return badArgument("scaleType %q: a managed deployment takes Default; scaling is by sku.capacity.", scale)
	}
	settings := child(p, "requestSettings")
	for key, def := range map[string]any{"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": float64(1)} {
		if settings[key] == nil {
			settings[key] = def
		}
	}
	if n, ok := intAt(settings, "maxConcurrentRequestsPerInstance"); !ok || n < 1 {
		return badArgument("maxConcurrentRequestsPerInstance is %v: want 1 or more.", settings["maxConcurrentRequestsPerInstance"])
	}
	if d, ok := isoSpan(textAt(settings, "requestTimeout")); !ok || d <= 0 || d > maxTimeout*time.Second {
		return badArgument("requestTimeout %q: want an ISO 8601 duration above zero and at most PT%dS.", textAt(settings, "requestTimeout"), maxTimeout)
	}
	return nil
}

func mustParent(id rid) rid {
	p, _ := parseID(id.parent())
	return p
}

// isoSpan reads an ISO 8601 duration of hours, minutes and seconds.
func isoSpan(s string) (d time.Duration, ok bool) {
	tail, ok := strings.CutPrefix(s, "PT")
	if !ok || tail == "" {
		return 0, false
	}
	for _, unit := range []struct {
		letter string
		of     time.Duration
	}{{"H", time.Hour}, {"M", time.Minute}, {"S", time.Second}} {
		number, rest, has := strings.Cut(tail, unit.letter)
		if !has {
			continue
		}
		f, err := strconv.ParseFloat(number, 64)
		if err != nil || f < 0 || f > 1e6 {
			return 0, false
		}
		d, tail = d+time.Duration(f*float64(unit.of)), rest
	}
	return d, tail == ""
}

func instancesOf(body object) int {
	n, _ := intAt(body, "sku", "capacity")
	return n
}

// needsOf are the vCPUs of Machine Learning's own quota, which is kept apart
// from that of virtual machines: of the family in the region, of the region, and
// of the workspace, if it has a cap ("Manage resources and quotas").
func (c *Cloud) needsOf(id rid, body object) []need {
	if body == nil {
		return nil
	}
	s := c.sizes[lower(textAt(body, "properties", "instanceType"))]
	n, at := s.vcpus(instancesOf(body)), c.location(id, body)
	return []need{{"ml", at, s.family, n}, {"ml", at, mlTotal, n}, {"ml", at, id.names[0] + "/" + s.family, n}}
}

func (c *Cloud) mlUse() map[need]int {
	return c.used("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments", func(r *resource, b object) []need { return c.needsOf(r.id, b) })
}

// planDeployment: what is found when, with the codes of "Troubleshooting online
// endpoints". An operation that fails says so in its status, not in the answer to
// the write.
func (c *Cloud) planDeployment(ch *change) outcome {
	if ch.body == nil {
		return outcome{span: "deployment-delete"}
	}
	before, after := instancesOf(ch.before), instancesOf(ch.body)
	size := textAt(ch.body, "properties", "instanceType")
	was := ch.before
	if ch.old != nil && !ch.old.made {
		before, was = 0, nil // it failed to be made, and is made again
	}
	out := outcome{span: "deployment-create"}
	switch {
	case ch.creates() || before == 0 || ch.method == http.MethodPut && changed(ch, "model", "environmentId", "instanceType", "codeConfiguration"):
	case after > before:
		out.span = "deployment-out"
	case after < before:
		out.span = "deployment-in"
	default:
		out.span = "endpoint-update"
	}
	if need, free, short := c.short(c.needsOf(ch.id, was), c.needsOf(ch.id, ch.body), c.mlUse(), c.mlDefault); short {
		return outcome{span: "deployment-refused", fail: refuse(http.StatusBadRequest, outOfQuota, fmt.Sprintf(
			"Not enough quota available for %s in subscription %s. Current usage/limit: %d/%d. Additional needed: %d. Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-outofquota (%s)",
			size, c.o.Subscription, c.limit(need.provider, need.location, need.name, c.mlDefault(need))-free, c.limit(need.provider, need.location, need.name, c.mlDefault(need)), need.n, need.name))}
	}
	if grows := after > before || !strings.EqualFold(size, textAt(was, "properties", "instanceType")); grows && c.fault("stockout", c.location(ch.id, ch.body), size, ch.id.text, ch.method, true) != nil {
		return outcome{span: "deployment-stock", fail: refuse(http.StatusBadRequest, "OutOfCapacity", "The specified VM size "+size+" cannot be provisioned: there is no capacity in the region. Retry later or use another region or size.")}
	}
	if out.span == "deployment-create" && c.faultOf("crash", ch, true) != nil {
		return outcome{span: "deployment-crash", fail: refuse(http.StatusBadRequest, "ResourceNotReady", "User container has crashed or terminated. Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-resourcenotready")}
	}
	return out
}

// changed says whether a PUT replaces the container.
func changed(ch *change, keys ...string) bool {
	for _, k := range keys {
		if fmt.Sprint(at(ch.before, "properties", k)) != fmt.Sprint(at(ch.body, "properties", k)) {
			return true
		}
	}
	return false
}

// endedDeployment: the instances are there, all at once (choice).
func (c *Cloud) endedDeployment(r *resource, ch *change) {
	if ch.body == nil {
		c.withoutTraffic(r)
		return
	}
	r.live = instancesOf(r.body)
	per, _ := intAt(r.body, "properties", "requestSettings", "maxConcurrentRequestsPerInstance")
	if r.server == nil {
		r.server = newPool(c)
	}
	r.server.set(r.live, per)
	r.logs = startLogs(r)
}

// withoutTraffic: a deployment that is gone gets no traffic (choice: Azure's
// documents do not say what becomes of its entry).
func (c *Cloud) withoutTraffic(r *resource) {
	if e := c.resources[lower(r.id.parent())]; e != nil {
		e.body = clone(e.body).(object)
		for _, key := range []string{"traffic", "mirrorTraffic"} {
			delete(mapAt(e.body, "properties", key), r.id.name())
		}
	}
}

func viewDeployment(c *Cloud, r *resource, whole, p object) {
	if whole["location"] == nil {
		whole["location"] = c.location(r.id, r.body)
	}
	if at(p, "scaleSettings") == nil {
		p["scaleSettings"] = object{"scaleType": "Default"}
	}
}

func startLogs(r *resource) []string {
	return []string{"Instance status:", "SystemSetup: Succeeded", "UserContainerImagePull: Succeeded", "ModelDownload: Succeeded", "UserContainerStart: Succeeded",
		"Container events:", "Kind: Pod, Name: ContainerReady", "emulated container of " + r.id.name() + ": ready"}
}

// crashLogs are what a container says that does not come up (the words of vLLM's
// most frequent failure).
var crashLogs = []string{"Instance status:", "SystemSetup: Succeeded", "UserContainerImagePull: Succeeded", "ModelDownload: Succeeded", "UserContainerStart: InProgress",
	"Container events:", "Kind: Pod, Name: BackOff, Type: Warning, Message: Back-off restarting failed container",
	"Container logs:", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."}

// failedDeployment: only a container that was started has something to say.
func failedDeployment(r *resource, p *problem) {
	if p.code == "ResourceNotReady" {
		r.logs = crashLogs
	}
}

// getLogs returns the last lines (armmachinelearning v4 DeploymentLogsRequest:
// containerType, tail).
func getLogs(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	lines := q.res.logs
	if n, ok := intAt(q.body, "tail"); ok && n >= 0 && n < len(lines) {
		lines = lines[len(lines)-n:]
	}
	writeJSON(w, http.StatusOK, object{"content": strings.Join(lines, "\n") + "\n"})
	return nil
}

// deploymentSKUs are the allowed numbers of instances.
func deploymentSKUs(c *Cloud, w http.ResponseWriter, r *http.Request, q *call) *problem {
	return c.page(w, r, []any{object{
		"resourceType": q.res.kind.typ, "sku": object{"name": "Default"},
		"capacity": object{"minimum": 1, "maximum": maxInstances, "default": 1, "scaleType": "Manual"},
	}})
}
