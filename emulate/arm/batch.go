package arm

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	batchType = "Microsoft.MachineLearningServices/workspaces/batchEndpoints"
	jobType   = "Microsoft.MachineLearningServices/workspaces/jobs"
)

// batchKind is a batch endpoint ("Endpoints for batch inference", 2024-04-04): it
// has a default deployment and no shares of traffic, and takes Entra tokens only.
func batchKind() *kind {
	return &kind{
		typ: batchType, lock: endpointLock, busy: busyEndpoint,
		check: func(c *Cloud, ch *change) *problem {
			name := textAt(ch.body, "properties", "defaults", "deploymentName")
			switch mode := textAt(ch.body, "properties", "authMode"); {
			case !endpointName.MatchString(ch.id.name()):
				return badArgument("The endpoint's name %q: want 3 to 32 letters, digits and hyphens, a letter first.", ch.id.name())
			case mode != "AADToken":
				return badArgument("authMode %q: a batch endpoint takes AADToken.", mode)
			case name != "" && c.resources[ch.id.key()+"/deployments/"+lower(name)] == nil:
				return badArgument("defaults.deploymentName: there is no deployment %s.", name)
			}
			return nil
		},
		plan: planEndpoint,
		view: func(c *Cloud, r *resource, _, p object) {
			base := c.url + "/inference/" + r.id.names[0] + "/" + r.id.names[1]
			p["scoringUri"], p["swaggerUri"] = base+"/jobs", base+"/swagger.json"
		},
	}
}

// batchDeploymentKind costs nothing and takes no quota while no job runs: its
// cluster starts from no node. Clusters are not emulated as resources.
func batchDeploymentKind() *kind {
	return &kind{
		typ: batchType + "/deployments", lock: endpointLock, busy: busyEndpoint,
		check: func(_ *Cloud, ch *change) *problem {
			if textAt(ch.body, "properties", "compute") == "" {
				return badArgument("compute is missing: name a cluster.")
			}
			return nil
		},
		plan: func(_ *Cloud, ch *change) outcome {
			if ch.body == nil {
				return outcome{span: "endpoint-delete"}
			}
			return outcome{span: "endpoint-create"}
		},
	}
}

// job is one run of a batch deployment: it waits for nodes, works, and ends.
type job struct {
	began   time.Time
	waits   time.Duration // until it has nodes
	works   time.Duration
	fails   bool
	cancels time.Time // zero: not
}

// cancelTakes is how long a job is CancelRequested (choice).
const cancelTakes = 10 * time.Second

// status is one of armmachinelearning v4 JobStatus.
func (j *job) status(now time.Time) string {
	if !j.cancels.IsZero() {
		if now.Before(j.cancels.Add(cancelTakes)) {
			return "CancelRequested"
		}
		return "Canceled"
	}
	switch at := now.Sub(j.began); {
	case at < time.Second:
		return "NotStarted"
	case at < j.waits:
		return "Queued"
	case at < j.waits+j.works:
		return "Running"
	case j.fails:
		return "Failed"
	}
	return "Completed"
}

func jobKind() *kind {
	return &kind{
		typ:   jobType,
		check: func(*Cloud, *change) *problem { return badArgument("jobs begin by invoking a batch endpoint here.") },
		view: func(c *Cloud, r *resource, _, p object) {
			delete(p, "provisioningState")
			if r.job != nil {
				p["status"] = r.job.status(c.clock.now())
			}
		},
		posts: map[string]action{"cancel": func(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
			switch s := q.res.job.status(q.now); s {
			case "Completed", "Failed", "Canceled":
				return badArgument("job %s is %s.", q.id.name(), s)
			case "CancelRequested":
			default:
				q.res.job.cancels = q.now
			}
			w.WriteHeader(http.StatusOK)
			return nil
		}},
	}
}

// invoke starts a job: POST {endpoint}/jobs with inputs and outputs ("Endpoints
// for batch inference"; the body as in its REST examples). A header may name the
// deployment. What the outputs' addresses hold is not emulated.
func (c *Cloud) invoke(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	endpoint := c.resources[lower(c.addressOf("Microsoft.MachineLearningServices/workspaces", r.PathValue("workspace"))+"/batchEndpoints/"+r.PathValue("endpoint"))]
	c.mu.Unlock()
	if endpoint == nil {
		c.score(w, r) // a container may have a path of that name
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, err := c.issuer.check(token, time.Now(), audiences["score"]...); err != nil {
		plain(w, http.StatusUnauthorized, err.Error())
		return
	}
	body, p := readBody(w, r)
	if p != nil {
		c.fail(w, p)
		return
	}
	c.locked(w, func(w http.ResponseWriter) {
		if p := c.begin(w, endpoint, r.Header.Get(headerDeployment), body, c.settle()); p != nil {
			c.fail(w, p)
		}
	})
}

func (c *Cloud) begin(w http.ResponseWriter, endpoint *resource, name string, body object, now time.Time) *problem {
	name = or(name, textAt(endpoint.body, "properties", "defaults", "deploymentName"))
	deployment := c.resources[endpoint.id.key()+"/deployments/"+lower(name)]
	switch {
	case deployment == nil || !deployment.made:
		return badArgument("endpoint %s has no deployment %q to invoke.", endpoint.id.name(), name)
	case len(mapAt(body, "properties", "InputData")) == 0:
		return badArgument("properties.InputData is missing.")
	case len(c.resources) >= maxResources:
		return refuse(http.StatusConflict, "ResourceQuotaExceeded", "the emulated resource group is full")
	}
	if p := c.regionLost(c.location(endpoint.id, endpoint.body)); p != nil {
		return p
	}
	id, _ := parseID(c.addressOf("Microsoft.MachineLearningServices/workspaces", endpoint.id.names[0]) + "/jobs/batchjob-" + requestID())
	r := c.makeAt(id, object{"properties": object{
		"jobType": "Pipeline", "displayName": endpoint.id.name() + "-" + name, "experimentName": endpoint.id.name(),
		"properties": object{"azureml.endpoint": endpoint.id.name(), "azureml.deploymentname": name},
		"inputs":     named(mapAt(body, "properties", "InputData"), "JobInputType", "jobInputType"),
		"outputs":    named(mapAt(body, "properties", "OutputData"), "JobOutputType", "jobOutputType"),
	}})
	fails := c.fault("fail", c.location(id, nil), "", endpoint.id.text, "invoke", true) != nil
	r.job = &job{began: now, waits: c.draw("job-nodes", c.serial), works: c.draw("job-work", c.serial+1), fails: fails}
	writeJSON(w, http.StatusCreated, c.render(r))
	return nil
}

// named turns UriFolder into uri_folder, as the two sides of the service spell
// it.
func named(given object, from, to string) object {
	all := object{}
	for name, v := range given {
		words := capital.ReplaceAllString(textAt(v, from), "_$1")
		all[name] = object{to: strings.TrimPrefix(lower(words), "_"), "uri": textAt(v, "Uri")}
	}
	return all
}

var capital = regexp.MustCompile(`([A-Z])`)
