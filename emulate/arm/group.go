package arm

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"weir/emulate"
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

func cpusOf(body object) (cpu float64) {
	list, _ := at(body, "properties", "containers").([]any)
	for _, v := range list {
		one, _ := at(v, "properties", "resources", "requests", "cpu").(float64)
		cpu += one
	}
	return cpu
}

// groupUse counts groups, and the CPUs of those that run or begin to.
func (c *Cloud) groupUse(location string, but *resource) (groups int, cores float64) {
	now := c.clock.now()
	for _, r := range c.ofType(groupType) {
		if r == but || c.location(r.id, r.body) != location {
			continue
		}
		groups++
		if state, _ := r.phaseAt(now); state == "Running" || state == "Pending" {
			cores += cpusOf(r.body)
		}
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
	if p := c.mayRun(ch.id, ch.body, ch.old); p != nil {
		return outcome{now: p}
	}
	return outcome{span: "group-create"}
}

// mayRun says whether there is quota and a machine for a group.
func (c *Cloud) mayRun(id rid, body object, but *resource) *problem {
	location := c.location(id, body)
	groups, cores := c.groupUse(location, but)
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
	if c.fault("stockout", location, textAt(body, "properties", "sku"), id.text, "", true) != nil {
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
		return
	}
	r.close()
	r.phase, r.since = "Running", r.modified
	r.log("emulated container of " + r.id.name() + ": started")
	c.serveGroup(r)
}

// phaseAt is the group's state and, when it has ended, its exit code. A group
// that does not restart for ever ends after runFor. Its end is seen when the
// group is looked at.
func (r *resource) phaseAt(now time.Time) (state string, exit int) {
	if r.phase == "" {
		return "Pending", 0
	}
	if r.phase != "Running" {
		return r.phase, r.exit
	}
	span, code, ends := runFor(r.body)
	if !ends || now.Before(r.since.Add(span)) {
		return "Running", 0
	}
	if code != 0 {
		return "Failed", code
	}
	return "Succeeded", 0
}

// runFor is how long a group's containers run that does not restart: the seconds
// of a command "sleep N", or the variable EMULATE_RUN (5m) of a container; else
// two minutes. EMULATE_EXIT is the exit code (choice: no image is run).
func runFor(body object) (span time.Duration, exit int, ends bool) {
	if p := textAt(body, "properties", "restartPolicy"); p == "" || p == "Always" {
		return 0, 0, false
	}
	span = 2 * time.Minute
	list, _ := at(body, "properties", "containers").([]any)
	for _, v := range list {
		command, _ := at(v, "properties", "command").([]any)
		for i, word := range command {
			if word == "sleep" && i+1 < len(command) {
				if n, err := strconv.Atoi(fmt.Sprint(command[i+1])); err == nil && n >= 0 {
					span = time.Duration(n) * time.Second
				}
			}
		}
		variables, _ := at(v, "properties", "environmentVariables").([]any)
		for _, e := range variables {
			switch textAt(e, "name") {
			case "EMULATE_RUN":
				if d, err := time.ParseDuration(textAt(e, "value")); err == nil && d >= 0 {
					span = d
				}
			case "EMULATE_EXIT":
				exit, _ = strconv.Atoi(textAt(e, "value"))
			}
		}
	}
	return span, exit, true
}

// serveGroup listens at the group's own loopback address, at each port of its
// ipAddress, with an emulated inference server behind it.
func (c *Cloud) serveGroup(r *resource) {
	ports, _ := at(r.body, "properties", "ipAddress", "ports").([]any)
	if len(ports) == 0 || c.base == nil {
		return
	}
	if r.ip == "" {
		c.serial++
		r.ip = fmt.Sprintf("127.77.%d.%d", c.serial/250%250, 1+c.serial%250)
	}
	ctx, cancel := context.WithCancel(c.base)
	var open []io.Closer // servers, and their listeners in case they have not begun
	// The ports are free again when it returns.
	r.stop = func() {
		cancel()
		for _, o := range open {
			_ = o.Close()
		}
	}
	server, err := c.newServer()
	if err != nil {
		r.log(err.Error())
		return
	}
	c.running.Go(func() { _ = server.Run(ctx) })
	for _, p := range ports {
		port, _ := intAt(p, "port")
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(r.ip, strconv.Itoa(port)))
		if err != nil {
			r.log("port " + strconv.Itoa(port) + ": " + err.Error())
			continue
		}
		srv := &http.Server{Handler: readyFirst(server), ReadHeaderTimeout: 10 * time.Second}
		open = append(open, srv, l)
		c.running.Go(func() { <-ctx.Done(); _ = srv.Close(); _ = l.Close() })
		c.running.Go(func() { _ = srv.Serve(l) })
	}
}

// newServer is an emulated inference server that is loaded at once.
func (c *Cloud) newServer() (*emulate.Server, error) {
	o := c.o.Server
	o.Listen, o.Load, o.Log = "", time.Nanosecond, nil
	if o.Spec == nil {
		spec, err := c.spec()
		if err != nil {
			return nil, err
		}
		o.Spec = &spec
	}
	return emulate.New(o)
}

// maxLogs bounds the lines kept of a container.
const maxLogs = 1000

func (r *resource) log(line string) {
	r.logs = append(r.logs[max(0, len(r.logs)+1-maxLogs):len(r.logs):len(r.logs)], line)
}

func (r *resource) close() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// endGroups closes the ports of groups that have ended by themselves.
func (c *Cloud) endGroups(now time.Time) {
	for _, r := range c.resources {
		if r.phase == "Running" && r.kind.typ == groupType {
			if state, exit := r.phaseAt(now); state != "Running" {
				span, _, _ := runFor(r.body)
				r.phase, r.exit, r.until = state, exit, r.since.Add(span)
				r.close()
			}
		}
	}
}

// viewGroup adds the instance views: the group's state is Pending, Running,
// Succeeded, Failed or Stopped.
func (c *Cloud) viewGroup(r *resource, _, p object) {
	state, exit := r.phaseAt(c.clock.now())
	if r.state == "Failed" && r.phase == "" {
		state = "Failed"
	}
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
}

// startGroup begins a stopped or ended group again; a running one is left.
func startGroup(c *Cloud, w http.ResponseWriter, r *http.Request, q *call) *problem {
	if state, _ := q.res.phaseAt(q.now); state == "Running" {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return c.again(w, r, q, "start")
}

// again runs a group's containers by a long operation.
func (c *Cloud) again(w http.ResponseWriter, r *http.Request, q *call, name string) *problem {
	ch := &change{method: name, id: q.id, kind: q.res.kind, old: q.res, before: q.res.body, body: q.res.body, now: q.now}
	if c.under(ch) != nil {
		busy := ch.kind.busy
		return &busy
	}
	if p := c.mayRun(q.id, q.res.body, q.res); p != nil {
		return p
	}
	if p := c.refusal(ch); p != nil {
		return p
	}
	q.res.phase = ""
	_, op := c.start(ch, outcome{span: "group-start"})
	c.follows(w, ch, op, r.URL.Query().Get("api-version"))
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// stopGroup: the containers end at once, and cost nothing more.
func stopGroup(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	c.cancel(q.id.key())
	q.res.close()
	q.res.phase, q.res.exit, q.res.until = "Stopped", 0, q.now
	if q.res.since.IsZero() {
		q.res.since = q.now
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// restartGroup answers 204 and begins the containers again at once
// (armcontainerinstance v2 accepts nothing else).
func restartGroup(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	if q.res.phase == "" {
		busy := q.res.kind.busy
		return &busy
	}
	q.res.modified = q.now
	c.endedGroup(q.res, &change{body: q.res.body, method: "restart"})
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// containerLogs is containerGroups/{group}/containers/{container}/logs.
func (c *Cloud) containerLogs(w http.ResponseWriter, r *http.Request, id rid) *problem {
	group := c.resources[lower(id.parent())]
	if group == nil || !strings.EqualFold(id.rest, "logs") || r.Method != http.MethodGet {
		return notFound(id)
	}
	lines := group.logs
	if n, err := strconv.Atoi(r.URL.Query().Get("tail")); err == nil && n >= 0 && n < len(lines) {
		lines = lines[len(lines)-n:]
	}
	writeJSON(w, http.StatusOK, object{"content": strings.Join(lines, "\n") + "\n"})
	return nil
}

// groupUsages (armcontainerinstance v2 Usage).
func (c *Cloud) groupUsages(w http.ResponseWriter, r *http.Request, location string, _ object) *problem {
	groups, cores := c.groupUse(location, nil)
	return c.page(w, r, []any{
		usage("ContainerGroups", "Container Groups", "Count", groups, c.limit("aci", location, "ContainerGroups", defaultGroups)),
		usage("StandardCores", "Standard Cores", "Count", int(cores+0.999), c.limit("aci", location, "StandardCores", defaultGroupCores)),
	})
}
