package arm

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of managed online endpoints in a region ("Manage resources and quotas",
// 2026-01-27).
const (
	maxEndpoints   = 100
	maxDeployments = 20  // of an endpoint
	maxInstances   = 50  // of a deployment
	maxMirror      = 50  // percent (armmachinelearning v4, OnlineEndpointProperties.MirrorTraffic)
	maxTimeout     = 180 // seconds of a request
)

// endpointName: 3 to 32 characters, a letter first (the same page).
var endpointName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]$`)

// busyEndpoint answers a second operation on an endpoint or on one of its
// deployments ("Troubleshooting online endpoints": 409 while one is in progress).
var busyEndpoint = problem{status: http.StatusConflict, code: "Conflict", message: "There is already an operation in progress on this endpoint ({operation}). Retry when it has completed."}

// endpointLock: one operation at a time for an endpoint with its deployments.
func endpointLock(id rid) string {
	if len(id.names) > 2 {
		return lower(id.parent())
	}
	return id.key()
}

func endpointKind() *kind {
	return &kind{
		typ: "Microsoft.MachineLearningServices/workspaces/onlineEndpoints", lock: endpointLock, busy: busyEndpoint,
		check: (*Cloud).checkEndpoint, plan: planEndpoint, ended: (*Cloud).endedEndpoint, view: (*Cloud).viewEndpoint,
		posts: map[string]action{"listkeys": listKeys, "regeneratekeys": regenerateKeys, "token": endpointToken},
	}
}

// checkEndpoint: authMode is one of three, and traffic names deployments and
// sums to 100 or to 0 ("Endpoints for inference", 2024-09-23); one deployment
// may be mirrored, to at most 50 %, and not while it has traffic ("Safe
// rollout").
func (c *Cloud) checkEndpoint(ch *change) *problem {
	if !endpointName.MatchString(ch.id.name()) {
		return badArgument("The endpoint's name %q: want 3 to 32 letters, digits and hyphens, a letter first.", ch.id.name())
	}
	if ch.creates() && len(c.ofType(ch.kind.typ)) >= maxEndpoints {
		return refuse(http.StatusBadRequest, "OutOfQuota", fmt.Sprintf("The subscription has its limit of %d endpoints in this region.", maxEndpoints))
	}
	p := child(ch.body, "properties")
	switch mode, _ := p["authMode"].(string); mode {
	case "Key", "AMLToken", "AADToken":
		if was := textAt(ch.before, "properties", "authMode"); was != "" && was != mode {
			return badArgument("authMode of endpoint %s is %s and cannot be changed.", ch.id.name(), was)
		}
	default:
		return badArgument("authMode %q: want Key, AMLToken or AADToken.", mode)
	}
	delete(p, "keys") // never given back
	names := map[string]string{}
	for _, d := range c.children(ch.id, "deployments") {
		names[lower(d.id.name())] = d.id.name()
	}
	if problem := shares(p, "traffic", names, []int{0, 100}); problem != nil {
		return problem
	}
	return mirrored(p, names)
}

// shares checks a map of percentages, and spells the deployments as they are. Its
// sum must be one of those allowed.
func shares(p object, key string, names map[string]string, sums []int) *problem {
	m := mapAt(p, key)
	spelled, sum := object{}, 0
	for _, name := range slices.Sorted(maps.Keys(m)) {
		n, ok := intAt(m, name)
		if !ok || n < 0 || n > 100 {
			return badArgument("%s of %s is %v: want a whole number of percent from 0 to 100.", key, name, m[name])
		}
		own, is := names[lower(name)]
		if !is || spelled[own] != nil {
			return badArgument("%s names deployment %s, which does not exist or is named twice.", key, name)
		}
		spelled[own] = float64(n)
		sum += n
	}
	if len(m) > 0 && sums != nil && !slices.Contains(sums, sum) {
		return badArgument("%s sums to %d: want 100, or 0 everywhere.", key, sum)
	}
	if m != nil {
		p[key] = spelled
	}
	return nil
}

func mirrored(p object, names map[string]string) *problem {
	if problem := shares(p, "mirrorTraffic", names, nil); problem != nil {
		return problem
	}
	m := mapAt(p, "mirrorTraffic")
	sum, targets := 0, 0
	for name := range m {
		n, _ := intAt(m, name)
		if sum += n; n > 0 {
			targets++
		}
		if live, _ := intAt(p, "traffic", name); n > 0 && live > 0 {
			return badArgument("deployment %s has live traffic: it cannot be mirrored too.", name)
		}
	}
	if targets > 1 || sum > maxMirror {
		return badArgument("mirrorTraffic is %d percent to %d deployments: want at most %d percent, to one.", sum, targets, maxMirror)
	}
	return nil
}

func badArgument(format string, a ...any) *problem {
	return refuse(http.StatusBadRequest, "BadArgument", fmt.Sprintf(format, a...))
}

func planEndpoint(c *Cloud, ch *change) outcome {
	switch {
	case ch.body == nil:
		return outcome{span: "endpoint-delete"}
	case ch.creates():
		return outcome{span: "endpoint-create"}
	}
	return outcome{span: "endpoint-update"}
}

func (c *Cloud) endedEndpoint(r *resource, _ *change) {
	if r.keys[0] == "" {
		r.keys = [2]string{newKey(), newKey()}
	}
}

func newKey() string { return strings.ReplaceAll(requestID(), "-", "") }

// viewEndpoint adds the addresses. Azure's are on a host of the endpoint's own,
// https://{endpoint}.{region}.inference.ml.azure.com/score; here the first part
// of the path tells endpoints apart.
func (c *Cloud) viewEndpoint(r *resource, _, p object) {
	base := c.url + "/inference/" + r.id.names[0] + "/" + r.id.names[1]
	p["scoringUri"], p["swaggerUri"] = base+"/score", base+"/swagger.json"
	for _, key := range []string{"traffic", "mirrorTraffic"} {
		child(p, key)
	}
	if p["publicNetworkAccess"] == nil {
		p["publicNetworkAccess"] = "Enabled"
	}
	p["keys"] = nil
}

// listKeys works for endpoints with keys ("Authenticate to an online
// endpoint").
func listKeys(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	if p := q.ready(); p != nil {
		return p
	}
	if textAt(q.res.body, "properties", "authMode") != "Key" {
		return badArgument("endpoint %s has no keys: its authMode is %s.", q.id.name(), textAt(q.res.body, "properties", "authMode"))
	}
	writeJSON(w, http.StatusOK, object{"primaryKey": q.res.keys[0], "secondaryKey": q.res.keys[1]})
	return nil
}

// ready refuses an action on what has not been made yet (choice: 409, as a write
// would be answered).
func (q *call) ready() *problem {
	if q.res.made {
		return nil
	}
	return refuse(http.StatusConflict, "ResourceNotReady", q.id.name()+" is "+q.res.state)
}

func regenerateKeys(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	if p := q.ready(); p != nil {
		return p
	}
	which := map[string]int{"Primary": 0, "Secondary": 1}
	i, ok := which[textAt(q.body, "keyType")]
	if !ok {
		return badArgument("keyType %q: want Primary or Secondary.", textAt(q.body, "keyType"))
	}
	q.res.keys[i] = newKey()
	w.WriteHeader(http.StatusOK)
	return nil
}

// endpointToken is listtoken: it lives for an hour and is to be fetched again
// some minutes before ("Authenticate to an online endpoint"). Real time. The
// moment to refresh is a choice: at nine tenths of its life.
func endpointToken(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	if p := q.ready(); p != nil {
		return p
	}
	if textAt(q.res.body, "properties", "authMode") != "AMLToken" {
		return badArgument("endpoint %s takes no tokens of its own: its authMode is %s.", q.id.name(), textAt(q.res.body, "properties", "authMode"))
	}
	now := time.Now()
	life := c.o.TokenLife
	writeJSON(w, http.StatusOK, object{
		"accessToken": c.issuer.token(amlAudience(q.id), "", "", life, now), "tokenType": "Bearer",
		"expiryTimeUtc": now.Add(life).Unix(), "refreshAfterTimeUtc": now.Add(life * 9 / 10).Unix(),
	})
	return nil
}

// ownTokens begins the audiences of tokens that only an endpoint hands out.
const ownTokens = "aml:"

func amlAudience(endpoint rid) string { return ownTokens + endpoint.key() }
