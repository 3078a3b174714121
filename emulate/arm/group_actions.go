package arm

import (
	"net/http"
	"strconv"
	"strings"
)

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
	if op := c.under(ch); op != nil {
		return ch.kind.stands(op)
	}
	if p := c.refusal(ch); p != nil {
		return p
	}
	if p := c.mayRun(ch); p != nil {
		return p
	}
	_, op := c.start(ch, outcome{span: "group-start"})
	c.follows(w, ch, op, r.URL.Query().Get("api-version"))
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// stopGroup: the containers end at once, and cost nothing more. It ends a start
// or an update too, and changes nothing of a group that has ended.
func stopGroup(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	if op := q.res.op; op != nil && op.change.body == nil {
		return q.res.kind.stands(op)
	}
	if state, _ := q.res.phaseAt(q.now); state == "Running" || state == "Pending" {
		c.cancel(q.id.key())
		q.res.close()
		q.res.state, q.res.made = "Succeeded", true
		q.res.phase, q.res.exit, q.res.until = "Stopped", 0, q.now
		if q.res.since.IsZero() {
			q.res.since = q.now
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// restartGroup answers 204 and begins the containers again at once
// (armcontainerinstance v2 accepts nothing else).
func restartGroup(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	ch := &change{method: "restart", id: q.id, kind: q.res.kind, old: q.res, before: q.res.body, body: q.res.body, now: q.now}
	if op := q.res.op; op != nil {
		return ch.kind.stands(op)
	}
	if p := c.refusal(ch); p != nil {
		return p
	}
	if state, _ := q.res.phaseAt(q.now); state != "Running" {
		if p := c.mayRun(ch); p != nil {
			return p
		}
	}
	q.res.modified, q.res.state, q.res.made = q.now, "Succeeded", true
	c.endedGroup(q.res, ch)
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
