package arm

import (
	"fmt"
	"net/http"
	"regexp"
	"time"
)

const groupType = "Microsoft.ContainerInstance/containerGroups"

// groupKind is a container group ("Container Instances REST API", 2023-05-01).
func groupKind() *kind {
	return &kind{
		typ: groupType, cancels: true,
		busy:  problem{status: http.StatusConflict, code: "ContainerGroupTransitioning", message: "The container group is still transitioning, please retry later."},
		check: (*Cloud).checkGroup, plan: (*Cloud).planGroup, ended: (*Cloud).endedGroup, view: (*Cloud).viewGroup,
		posts: map[string]action{"start": startGroup, "stop": stopGroup, "restart": restartGroup},
	}
}

// Limits of a subscription in a region, unless set ("Resource availability &
// quota limits for ACI").
const (
	defaultGroups     = 100
	defaultGroupCores = 100
	maxGroupCPU       = 31  // of one group
	maxGroupGB        = 240 // memory
	maxContainers     = 60
	maxPorts          = 5 // of its address
)

var groupName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkGroup: GPUs are refused, as they were retired on 2025-07-14.
func (c *Cloud) checkGroup(ch *change) *problem {
	list, _ := at(ch.body, "properties", "containers").([]any)
	invalid := func(format string, a ...any) *problem {
		return refuse(http.StatusBadRequest, "InvalidContainerGroup", fmt.Sprintf(format, a...))
	}
	switch policy := textAt(ch.body, "properties", "restartPolicy"); {
	case !groupName.MatchString(ch.id.name()):
		return invalid("the name %q: want at most 63 small letters, digits and hyphens.", ch.id.name())
	case textAt(ch.body, "location") == "":
		return refuse(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	case len(list) == 0 || len(list) > maxContainers:
		return invalid("%d containers: want 1 to %d.", len(list), maxContainers)
	case policy != "" && policy != "Always" && policy != "OnFailure" && policy != "Never":
		return invalid("restartPolicy %q: want Always, OnFailure or Never.", policy)
	case textAt(ch.body, "properties", "osType") == "":
		return refuse(http.StatusBadRequest, "InvalidOsType", "The 'osType' for container group is invalid.")
	}
	if p := checkPorts(ch.body); p != nil {
		return p
	}
	cpu, gb := 0.0, 0.0
	for _, v := range list {
		if textAt(v, "name") == "" || textAt(v, "properties", "image") == "" {
			return refuse(http.StatusBadRequest, "InvalidImage", "every container needs a name and an image.")
		}
		if at(v, "properties", "resources", "requests", "gpu") != nil {
			return refuse(http.StatusBadRequest, "InvalidGpuSku", "GPUs are no longer available in container groups.")
		}
		one, _ := at(v, "properties", "resources", "requests", "cpu").(float64)
		memory, _ := at(v, "properties", "resources", "requests", "memoryInGB").(float64)
		if one <= 0 || memory <= 0 {
			return refuse(http.StatusBadRequest, "ResourceRequestsNotSpecified", "the resource requests of container '"+textAt(v, "name")+"' need cpu and memoryInGB.")
		}
		cpu, gb = cpu+one, gb+memory
	}
	if cpu > maxGroupCPU || gb > maxGroupGB {
		return refuse(http.StatusBadRequest, "ResourceRequestsExceedLimit", fmt.Sprintf("%v CPUs and %v GB: a container group has at most %d and %d.", cpu, gb, maxGroupCPU, maxGroupGB))
	}
	return nil
}

func checkPorts(body object) *problem {
	ports := arrayAt(body, "properties", "ipAddress", "ports")
	if len(ports) > maxPorts {
		return refuse(http.StatusBadRequest, "InvalidContainerGroup", fmt.Sprintf("%d ports: want at most %d.", len(ports), maxPorts))
	}
	for _, v := range ports {
		if n, ok := intAt(v, "port"); !ok || n < 1 || n > 65535 {
			return refuse(http.StatusBadRequest, "InvalidContainerGroup", fmt.Sprintf("the port %v: want 1 to 65535.", at(v, "port")))
		}
	}
	return nil
}

func cpusOf(body object) (cpu float64) {
	list, _ := at(body, "properties", "containers").([]any)
	for _, v := range list {
		one, _ := at(v, "properties", "resources", "requests", "cpu").(float64)
		cpu += one
	}
	return cpu
}

// groupUse counts groups, and the CPUs of those that run or begin to. While an
// operation runs the larger of before and after counts.
func (c *Cloud) groupUse(location string, but *resource) (groups int, cores float64) {
	now := c.clock.now()
	for _, r := range c.ofType(groupType) {
		if r == but || c.location(r.id, r.body) != location {
			continue
		}
		groups++
		most := 0.0
		if state, _ := r.phaseAt(now); state == "Running" || state == "Pending" {
			most = cpusOf(r.body)
			if r.op != nil && r.made {
				most = max(most, cpusOf(r.op.change.before))
			}
		}
		if r.op != nil { // one that has ended may be about to run again
			most = max(most, cpusOf(r.op.change.body))
		}
		cores += most
	}
	return groups, cores
}

// planGroup: quota and stock are said at once.
func (c *Cloud) planGroup(ch *change) outcome {
	if ch.body == nil {
		return outcome{span: "group-delete"}
	}
	if ch.method == http.MethodPatch {
		return outcome{}
	}
	if p := c.mayRun(ch); p != nil {
		return outcome{now: p}
	}
	return outcome{span: "group-create"}
}

// mayRun says whether there is quota and a machine for a group.
func (c *Cloud) mayRun(ch *change) *problem {
	body, location := ch.body, c.location(ch.id, ch.body)
	groups, cores := c.groupUse(location, ch.old)
	quota := func(name string, limit int, used, more float64) *problem {
		return refuse(http.StatusConflict, "ContainerGroupQuotaReached", fmt.Sprintf(
			"Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '%s' exceeded in region '%s'. Limit: '%d', Usage: '%v' Requested: '%v'.", name, location, limit, used, more))
	}
	if limit := c.limit("aci", location, "ContainerGroups", defaultGroups); groups >= limit {
		return quota("ContainerGroups", limit, float64(groups), 1)
	}
	if limit := c.limit("aci", location, "StandardCores", defaultGroupCores); cores+cpusOf(body) > float64(limit) {
		return quota("StandardCores", limit, cores, cpusOf(body))
	}
	if c.fault("stockout", location, textAt(body, "properties", "sku"), ch.id.text, ch.method, true) != nil {
		return refuse(http.StatusConflict, "ServiceUnavailable", "The requested resource is not available in the location '"+location+"' at this moment. Please retry with a different resource request or in another location.")
	}
	return nil
}

// endedGroup starts the containers. Starts come here too, as changes that leave
// the body as it is.
func (c *Cloud) endedGroup(r *resource, ch *change) {
	if ch.body == nil {
		r.close()
		return
	}
	if ch.method == http.MethodPatch {
		if r.phase == "" { // it never ran
			r.state, r.made = "Failed", false
		}
		return
	}
	r.close()
	r.phase, r.since = "Running", r.modified
	r.log("emulated container of " + r.id.name() + ": started")
	c.serveGroup(r)
}

// viewGroup adds the instance views: the group's state is Pending, Running,
// Succeeded, Failed or Stopped.
func (c *Cloud) viewGroup(r *resource, _, p object) {
	state, exit := r.phaseAt(c.clock.now())
	p["instanceView"] = object{"state": state, "events": []any{}}
	if ip := mapAt(p, "ipAddress"); ip != nil && r.ip != "" {
		ip["ip"] = r.ip
		if label := textAt(ip, "dnsNameLabel"); label != "" {
			ip["fqdn"] = label + "." + c.location(r.id, r.body) + ".azurecontainer.io"
		}
	}
	current := object{"state": "Waiting"}
	switch state {
	case "Running":
		current = object{"state": "Running", "startTime": r.since.UTC().Format(time.RFC3339Nano), "detailStatus": ""}
	case "Succeeded", "Failed", "Stopped":
		detail := map[bool]string{true: "Completed", false: "Error"}[exit == 0]
		current = object{"state": "Terminated", "exitCode": exit, "startTime": r.since.UTC().Format(time.RFC3339Nano), "finishTime": r.until.UTC().Format(time.RFC3339Nano), "detailStatus": detail}
	}
	list, _ := at(p, "containers").([]any)
	for _, v := range list {
		if m := mapAt(v, "properties"); m != nil {
			m["instanceView"] = object{"restartCount": 0, "currentState": current, "events": []any{}}
			for _, e := range arrayAt(m, "environmentVariables") {
				delete(mapAt(e), "secureValue") // never given back
			}
		}
	}
	for _, v := range arrayAt(p, "imageRegistryCredentials") {
		delete(mapAt(v), "password")
	}
	for _, v := range arrayAt(p, "volumes") {
		delete(mapAt(v, "azureFile"), "storageAccountKey")
		delete(mapAt(v), "secret")
	}
}
