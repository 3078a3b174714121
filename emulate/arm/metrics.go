package arm

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// metricLag is how far behind the newest point is: the grain is one minute, and
// ingestion takes some ("Supported metrics"; the length is a choice).
const metricLag = 2 * time.Minute

// maxMetricResources of one batch (azmetrics v1.3 QueryResources).
const maxMetricResources = 50

// series is a metric's present value under one combination of dimensions.
type series struct {
	dimensions [][2]string // name, value
	value      float64
}

// metrics are those that can be asked for, by namespace and name, both in lower
// case. There is no history: what is said is the present, as the newest point.
var metrics = map[string]map[string]func(*Cloud, *resource) []series{
	"microsoft.machinelearningservices/workspaces/onlineendpoints/deployments": {
		"deploymentcapacity":             deploymentCapacity,
		"gpuutilizationpercentage":       deploymentBusy,
		"cpuutilizationpercentage":       deploymentBusy,
		"cpumemoryutilizationpercentage": func(*Cloud, *resource) []series { return []series{{value: 40}} }, // choice
	},
	"microsoft.cognitiveservices/accounts": {
		"azureopenaiprovisionedmanagedutilizationv2": ptuUtilisation,
	},
}

// deploymentCapacity is the number of instances by state. The names of the
// states are a choice.
func deploymentCapacity(c *Cloud, r *resource) []series {
	all := []series{{[][2]string{{"State", "Ready"}}, float64(r.live)}}
	if more := instancesOf(r.body) - r.live; r.op != nil && more > 0 {
		all = append(all, series{[][2]string{{"State", "Creating"}}, float64(more)})
	}
	return all
}

// deploymentBusy takes an instance with all its requests at work for fully used.
func deploymentBusy(_ *Cloud, r *resource) []series {
	if r.server == nil || r.live == 0 {
		return nil
	}
	per, _ := intAt(r.body, "properties", "requestSettings", "maxConcurrentRequestsPerInstance")
	return []series{{value: min(100, 100*float64(r.server.counts().InFlight)/float64(per*r.live))}}
}

// ptuUtilisation is by deployment (dimensions as in "Monitor Azure OpenAI").
func ptuUtilisation(_ *Cloud, r *resource) []series {
	var all []series
	if r.openai == nil {
		return nil
	}
	used := r.openai.Utilisation()
	for _, name := range slices.Sorted(maps.Keys(used)) {
		all = append(all, series{[][2]string{{"ModelDeploymentName", name}}, used[name]})
	}
	return all
}

// batch answers POST /subscriptions/{s}/metrics:getBatch, the data plane of Azure
// Monitor, whose regional hosts are this server here. Its tokens are for an
// audience of its own.
func (c *Cloud) batch(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, err := c.issuer.check(token, time.Now(), slices.Concat(audiences["metrics"], audiences["arm"])...); err != nil {
		c.fail(w, refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", err.Error()))
		return
	}
	body, p := readBody(w, r)
	if p != nil {
		c.fail(w, p)
		return
	}
	c.locked(w, func(w http.ResponseWriter) {
		if p := c.metricsOf(w, r, arrayAt(body, "resourceids"), c.settle()); p != nil {
			c.fail(w, p)
		}
	})
}

func (c *Cloud) metricsOf(w http.ResponseWriter, r *http.Request, ids []any, now time.Time) *problem {
	q := r.URL.Query()
	known := metrics[lower(q.Get("metricnamespace"))]
	if known == nil || len(ids) == 0 || len(ids) > maxMetricResources {
		return badArgument("metric namespace %q with %d resources: want one with metrics here, and 1 to %d.", q.Get("metricnamespace"), len(ids), maxMetricResources)
	}
	to := now.Add(-metricLag).Truncate(time.Minute)
	all := []any{}
	for _, v := range ids {
		id, _ := v.(string)
		res := c.resources[lower(id)]
		if res == nil || !strings.EqualFold(res.kind.typ, q.Get("metricnamespace")) {
			return refuse(http.StatusNotFound, "ResourceNotFound", "there is no resource "+id+" of "+q.Get("metricnamespace"))
		}
		values := []any{}
		for _, name := range strings.Split(q.Get("metricnames"), ",") {
			read := known[lower(name)]
			if read == nil {
				return badArgument("metric %q of %s is not emulated.", name, q.Get("metricnamespace"))
			}
			values = append(values, metricOf(id, name, read(c, res), to))
		}
		all = append(all, object{
			"starttime": to.UTC().Format(time.RFC3339), "endtime": to.Add(time.Minute).UTC().Format(time.RFC3339), "interval": "PT1M",
			"namespace": q.Get("metricnamespace"), "resourceregion": c.location(res.id, res.body), "resourceid": id, "value": values,
		})
	}
	writeJSON(w, http.StatusOK, object{"values": all})
	return nil
}

func metricOf(id, name string, all []series, at time.Time) object {
	lines := []any{}
	for _, s := range all {
		dimensions := []any{}
		for _, d := range s.dimensions {
			dimensions = append(dimensions, object{"name": object{"value": d[0], "localizedValue": d[0]}, "value": d[1]})
		}
		lines = append(lines, object{"metadatavalues": dimensions, "data": []any{object{
			"timeStamp": at.UTC().Format(time.RFC3339), "average": s.value, "minimum": s.value, "maximum": s.value, "total": s.value, "count": 1,
		}}})
	}
	return object{"id": fmt.Sprintf("%s/providers/Microsoft.Insights/metrics/%s", id, name), "type": "Microsoft.Insights/metrics", "name": object{"value": name, "localizedValue": name}, "unit": "Count", "timeseries": lines, "errorCode": "Success"}
}
