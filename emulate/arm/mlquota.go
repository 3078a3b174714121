package arm

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// mlTotal is the region's total of Machine Learning ("Manage resources and
// quotas": Total regional dedicated quota).
const mlTotal = "TotalDedicatedCores"

// noCap is the limit of a workspace without one.
const noCap = 1 << 30

func (c *Cloud) mlDefault(n need) int {
	switch {
	case n.name == mlTotal:
		return defaultTotal
	case strings.Contains(n.name, "/"): // of a workspace
		return noCap
	}
	return defaultFamily
}

func (c *Cloud) mlLimit(location, name string) int {
	return c.limit("ml", location, name, c.mlDefault(need{name: name}))
}

// mlUsages: vCPUs by family and the total (armmachinelearning v4 Usage).
func (c *Cloud) mlUsages(w http.ResponseWriter, r *http.Request, location string, _ object) *problem {
	used := c.mlUse()
	all := []any{}
	for _, f := range append([]string{mlTotal}, c.families()...) {
		v := usage(f, f+" Cluster Dedicated vCPUs", "Count", used[need{"ml", location, lower(f), 0}], c.mlLimit(location, f))
		v["id"] = fmt.Sprintf("/subscriptions/%s/providers/Microsoft.MachineLearningServices/locations/%s/usages/%s", c.o.Subscription, location, f)
		v["type"] = "Microsoft.MachineLearningServices/usages"
		all = append(all, v)
	}
	return c.page(w, r, all)
}

// mlQuotas are the limits of the subscription and the caps of workspaces
// (armmachinelearning v4 ResourceQuota).
func (c *Cloud) mlQuotas(w http.ResponseWriter, r *http.Request, location string, _ object) *problem {
	all := []any{}
	for _, f := range c.families() {
		all = append(all, c.mlQuota(location, "", f))
	}
	for _, ws := range c.ofType("Microsoft.MachineLearningServices/workspaces") {
		for _, f := range c.families() {
			if c.mlLimit(location, ws.id.name()+"/"+f) != noCap {
				all = append(all, c.mlQuota(location, ws.id.name(), f))
			}
		}
	}
	return c.page(w, r, all)
}

func (c *Cloud) mlQuota(location, workspace, family string) object {
	id, name, typ := "/subscriptions/"+c.o.Subscription, family, "Microsoft.MachineLearningServices/dedicatedCores/quotas"
	if workspace != "" {
		id += "/resourceGroups/" + c.o.ResourceGroup + "/providers/Microsoft.MachineLearningServices/workspaces/" + workspace
		name, typ = workspace+"/"+family, "Microsoft.MachineLearningServices/workspaces/dedicatedCores/quotas"
	} else {
		id += "/providers/Microsoft.MachineLearningServices/locations/" + location
	}
	return object{"id": id + "/quotas/" + family, "type": typ, "name": object{"value": family, "localizedValue": family}, "unit": "Count", "limit": c.mlLimit(location, name)}
}

// mlUpdateQuotas sets caps of workspaces (armmachinelearning v4
// QuotaUpdateParameters). A cap above the subscription's limit is answered with
// a status for that entry.
func (c *Cloud) mlUpdateQuotas(w http.ResponseWriter, r *http.Request, location string, body object) *problem {
	given, _ := body["value"].([]any)
	all := []any{}
	for _, v := range given {
		id := textAt(v, "id")
		_, tail, _ := strings.Cut(lower(id), "/workspaces/")
		workspace, _, _ := strings.Cut(tail, "/")
		family := id[strings.LastIndexByte(id, '/')+1:]
		limit, ok := intAt(v, "limit")
		status, known := "Success", slices.ContainsFunc(c.families(), func(f string) bool { return strings.EqualFold(f, family) })
		switch {
		case c.resources[lower(c.addressOf("Microsoft.MachineLearningServices/workspaces", workspace))] == nil || !ok || limit < -1 || len(c.limits) >= maxLimits:
			status = "Failure"
		case !known:
			status = "InvalidVMFamilyName"
		case limit > c.mlLimit(location, family):
			status = "InvalidQuotaExceedsSubscriptionLimit"
		case limit == -1: // no cap
			delete(c.limits, lower("ml/"+location+"/"+workspace+"/"+family))
		default:
			c.limits[lower("ml/"+location+"/"+workspace+"/"+family)] = limit
		}
		all = append(all, object{"id": id, "limit": limit, "unit": "Count", "status": status})
	}
	writeJSON(w, http.StatusOK, object{"value": all})
	return nil
}

// mlSizes are the sizes a workspace can run (armmachinelearning v4
// VirtualMachineSize). The list has no pages.
func (c *Cloud) mlSizes(w http.ResponseWriter, _ *http.Request, _ string, _ object) *problem {
	all := []any{}
	for _, key := range slices.Sorted(maps.Keys(c.sizes)) {
		s := c.sizes[key]
		all = append(all, object{"name": s.name, "family": s.family, "vCPUs": s.cores, "gpus": s.gpus, "memoryGB": s.ramGiB, "lowPriorityCapable": true, "premiumIO": true, "supportedComputeTypes": []any{"AmlCompute", "ComputeInstance"}})
	}
	writeJSON(w, http.StatusOK, object{"value": all})
	return nil
}
