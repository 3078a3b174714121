package arm

import (
	"fmt"
	"net/http"
	"regexp"
)

const (
	clusterType = "Microsoft.ContainerService/managedClusters"
	poolType    = clusterType + "/agentPools"
)

// busyCluster answers a second operation on a cluster with its pools, by the code
// of AKS ("Troubleshoot OperationNotAllowed"). One at a time for all pools is a
// choice: AKS lets some through.
var busyCluster = problem{status: http.StatusConflict, code: "OperationNotAllowed", message: "Operation is not allowed because there's an in progress operation ({operation}) on the managed cluster. Please wait for it to finish before starting a new operation."}

func clusterLock(id rid) string {
	if len(id.names) > 1 {
		return lower(id.parent())
	}
	return id.key()
}

// clusterKind is a Kubernetes cluster as Resource Manager sees it: no API server
// is behind it.
func clusterKind() *kind {
	return &kind{
		typ: clusterType, lock: clusterLock, busy: busyCluster, etags: true,
		check: (*Cloud).checkCluster,
		plan: func(_ *Cloud, ch *change) outcome {
			switch {
			case ch.body == nil:
				return outcome{span: "cluster-delete"}
			case ch.creates():
				return outcome{span: "cluster-create"}
			}
			return outcome{span: "cluster-update"}
		},
		ended: endedCluster, view: (*Cloud).viewCluster,
		posts: map[string]action{"start": clusterPower("start"), "stop": clusterPower("stop")},
	}
}

// endedCluster makes the pools of a new cluster's agentPoolProfiles, and turns a
// cluster on or off.
func endedCluster(c *Cloud, r *resource, ch *change) {
	switch {
	case ch.body == nil:
		return
	case ch.method == "stop":
		r.phase = "Stopped"
		return
	default:
		r.phase = "Running"
	}
	if len(c.children(r.id, "agentPools")) > 0 {
		return
	}
	pools, _ := c.firstPools(r.id, r.body) // checked when the write came
	for _, p := range pools {
		c.makeAt(p.id, p.body)
	}
}

func (c *Cloud) viewCluster(r *resource, whole, p object) {
	whole["eTag"] = r.tag()
	p["powerState"] = object{"code": or(r.phase, "Running")}
	profiles := []any{}
	for _, pool := range c.children(r.id, "agentPools") {
		v := mapAt(c.render(pool), "properties")
		v["name"] = pool.id.name()
		profiles = append(profiles, v)
	}
	p["agentPoolProfiles"] = profiles
	if p["currentKubernetesVersion"] == nil {
		p["currentKubernetesVersion"] = "1.33.4"
	}
}

// clusterPower starts or stops a cluster with its nodes ("Stop and start an AKS
// cluster").
func clusterPower(name string) action {
	return func(c *Cloud, w http.ResponseWriter, r *http.Request, q *call) *problem {
		ch := &change{method: name, id: q.id, kind: q.res.kind, old: q.res, before: q.res.body, body: q.res.body, now: q.now}
		if op := c.under(ch); op != nil {
			return ch.kind.stands(op)
		}
		if p := c.refusal(ch); p != nil {
			return p
		}
		_, op := c.start(ch, outcome{span: "cluster-" + name})
		q.res.state = map[string]string{"start": "Starting", "stop": "Stopping"}[name]
		c.follows(w, ch, op, r.URL.Query().Get("api-version"))
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
}

// poolKind is a node pool (armcontainerservice v8 AgentPool, 2025-10-01).
func poolKind() *kind {
	return &kind{
		typ: poolType, lock: clusterLock, busy: busyCluster, etags: true,
		check: (*Cloud).checkPool, plan: (*Cloud).planPool, ended: endedPool, view: viewPool,
		posts: map[string]action{"deletemachines": deleteMachines},
	}
}

// maxNodes of a pool ("Quotas and regional limits for AKS").
const maxNodes = 1000

var poolName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

// checkPool: a system pool has a node at least and is not spot; with the
// autoscaler on, the count lies within its bounds ("Manage node pools", "Use the
// cluster autoscaler").
func (c *Cloud) checkPool(ch *change) *problem {
	p := child(ch.body, "properties")
	invalid := func(format string, a ...any) *problem {
		return refuse(http.StatusBadRequest, "InvalidParameter", fmt.Sprintf(format, a...))
	}
	for key, def := range map[string]any{"count": float64(1), "mode": "User", "scaleSetPriority": "Regular", "scaleDownMode": "Delete", "enableAutoScaling": false} {
		if p[key] == nil {
			p[key] = def
		}
	}
	count, ok := intAt(p, "count")
	low, _ := intAt(p, "minCount")
	high, _ := intAt(p, "maxCount")
	least := 0
	if p["mode"] == "System" {
		least = 1
	}
	switch {
	case !poolName.MatchString(ch.id.name()):
		return invalid("the pool's name %q: want 1 to 12 small letters and digits, a letter first.", ch.id.name())
	case c.sizes[lower(textAt(p, "vmSize"))].name == "":
		return refuse(http.StatusBadRequest, "VMSizeNotSupported", "The VM size of "+textAt(p, "vmSize")+" is not allowed in your subscription in this location.")
	case ch.old != nil && textAt(ch.before, "properties", "vmSize") != textAt(p, "vmSize"):
		return refuse(http.StatusBadRequest, "PropertyChangeNotAllowed", "Changing property 'properties.vmSize' is not allowed.")
	case !ok || count < least || count > maxNodes:
		return invalid("count is %v: want %d to %d for a %s pool.", p["count"], least, maxNodes, p["mode"])
	case p["mode"] == "System" && p["scaleSetPriority"] == "Spot":
		return invalid("a system pool cannot be spot.")
	case boolAt(p, "enableAutoScaling") && (low > high || high < 1 || high > maxNodes || low < least || count < low || count > high):
		return invalid("count %d, minCount %d, maxCount %d: with the autoscaler want %d <= minCount <= count <= maxCount.", count, low, high, least)
	case !boolAt(p, "enableAutoScaling") && (low > 0 || high > 0):
		return invalid("minCount and maxCount need enableAutoScaling.")
	case boolAt(p, "enableAutoScaling") && boolAt(ch.before, "properties", "enableAutoScaling") && fmt.Sprint(at(ch.before, "properties", "count")) != fmt.Sprint(p["count"]):
		return refuse(http.StatusBadRequest, "ManualScalingNotAllowed", "The pool's autoscaler is on: it sets count.") // choice: no document has the code
	}
	return nil
}

// nodesOf is how many machines a pool holds: none when it is stopped, unless
// they stay allocated to it (scaleDownMode Deallocate), in which case they still
// count for quota ("Virtual machine vCPU quotas": allocated and deallocated).
func nodesOf(r *resource, body object) int {
	n, _ := intAt(body, "properties", "count")
	if textAt(body, "properties", "powerState", "code") == "Stopped" {
		n = 0
	}
	if textAt(body, "properties", "scaleDownMode") == "Deallocate" && r != nil {
		n = max(n, r.live)
	}
	return n
}

// poolNeeds: spot nodes share one quota, all others have that of their family
// and of the region.
func (c *Cloud) poolNeeds(id rid, r *resource, body object) []need {
	if body == nil {
		return nil
	}
	s := c.sizes[lower(textAt(body, "properties", "vmSize"))]
	n, at := nodesOf(r, body)*s.cores, c.location(id, nil)
	if textAt(body, "properties", "scaleSetPriority") == "Spot" {
		return []need{{"compute", at, "lowPriorityCores", n}}
	}
	return []need{{"compute", at, s.family, n}, {"compute", at, "cores", n}}
}

// poolUse is what the node pools use of compute quota; those of a stopped
// cluster count too, as their machines are deallocated (choice).
func (c *Cloud) poolUse() map[need]int {
	sum := c.used(poolType, func(r *resource, b object) []need { return c.poolNeeds(r.id, r, b) })
	for _, r := range c.ofType(clusterType) { // pools that come with a cluster
		if r.op == nil || r.op.change.body == nil || len(c.children(r.id, "agentPools")) > 0 {
			continue
		}
		pools, _ := c.firstPools(r.id, r.body)
		for _, n := range c.firstNeeds(c.location(r.id, r.body), pools) {
			sum[need{n.provider, n.location, lower(n.name), 0}] += n.n
		}
	}
	return sum
}

// noQuota says which quota a change of pools exceeds; nil: none.
func (c *Cloud) noQuota(before, after []need) *problem {
	n, free, short := c.short(before, after, c.poolUse(), computeDefault)
	if !short {
		return nil
	}
	return refuse(http.StatusBadRequest, "ErrCode_InsufficientVCPUQuota", fmt.Sprintf("Insufficient vcpu quota requested %d, remaining %d for family %s for region %s.", n.n, free, n.name, n.location))
}

func computeDefault(n need) int {
	if n.name == "cores" || n.name == "lowPriorityCores" {
		return defaultTotal
	}
	return defaultFamily
}

// planPool: quota is said at once, a missing machine at the end.
func (c *Cloud) planPool(ch *change) outcome {
	if ch.body == nil {
		if textAt(ch.before, "properties", "mode") == "System" && c.lastSystem(ch.id) {
			return outcome{now: refuse(http.StatusBadRequest, "OperationNotAllowed", "There has to be at least one system agent pool.")}
		}
		return outcome{span: "pool-in"}
	}
	if p := c.clusterRuns(ch.id); p != nil {
		return outcome{now: p}
	}
	was := ch.before
	if ch.old != nil && !ch.old.made {
		was = nil
	}
	before, after := nodesOf(nil, was), nodesOf(nil, ch.body)
	if p := c.noQuota(c.poolNeeds(ch.id, ch.old, was), c.poolNeeds(ch.id, ch.old, ch.body)); p != nil {
		return outcome{now: p}
	}
	size := textAt(ch.body, "properties", "vmSize")
	if after > before && c.fault("stockout", c.location(ch.id, nil), size, ch.id.text, ch.method, true) != nil {
		return outcome{span: "pool-stock", fail: refuse(http.StatusConflict, "AllocationFailed", "The VM allocation failed: there is not enough capacity for size "+size+" in the region.")}
	}
	switch {
	case ch.creates() || after > before:
		return outcome{span: "pool-out"}
	case after < before:
		return outcome{span: "pool-in"}
	}
	return outcome{span: "pool-update"}
}

func (c *Cloud) lastSystem(id rid) bool {
	n := 0
	for _, p := range c.children(mustParent(id), "agentPools") {
		if textAt(p.body, "properties", "mode") == "System" {
			n++
		}
	}
	return n < 2
}

// clusterRuns: a stopped cluster's pools cannot be changed ("Stop and start an
// AKS cluster").
func (c *Cloud) clusterRuns(id rid) *problem {
	if above := c.above(id); above != nil && above.phase == "Stopped" {
		return refuse(http.StatusConflict, "OperationNotAllowed", "managed cluster is in stopped state: start it first.")
	}
	return nil
}

func endedPool(_ *Cloud, r *resource, ch *change) {
	if ch.body != nil {
		r.live = nodesOf(r, r.body)
	}
}

func viewPool(c *Cloud, r *resource, _, p object) {
	p["eTag"] = r.tag()
	if at(p, "powerState") == nil {
		p["powerState"] = object{"code": "Running"}
	}
	if p["orchestratorVersion"] == nil {
		p["orchestratorVersion"] = "1.33.4"
	}
}

// deleteMachines removes named nodes (armcontainerservice v8): here any names,
// and the count falls by their number.
func deleteMachines(c *Cloud, w http.ResponseWriter, r *http.Request, q *call) *problem {
	names := arrayAt(q.body, "machineNames")
	body := clone(q.res.body).(object)
	n, _ := intAt(body, "properties", "count")
	least := 0
	if textAt(body, "properties", "mode") == "System" {
		least = 1
	}
	if len(names) == 0 || n-len(names) < least {
		return refuse(http.StatusBadRequest, "InvalidParameter", fmt.Sprintf("%d machines of %d are named: want 1 to %d.", len(names), n, n-least))
	}
	child(body, "properties")["count"] = float64(n - len(names))
	ch := &change{method: "deleteMachines", id: q.id, kind: q.res.kind, old: q.res, before: q.res.body, body: body, now: q.now}
	if op := c.under(ch); op != nil {
		return ch.kind.stands(op)
	}
	if p := c.clusterRuns(q.id); p != nil {
		return p
	}
	if p := c.refusal(ch); p != nil {
		return p
	}
	_, op := c.start(ch, outcome{span: "pool-in"})
	c.follows(w, ch, op, r.URL.Query().Get("api-version"))
	w.WriteHeader(http.StatusAccepted)
	return nil
}
