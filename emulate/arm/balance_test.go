package arm

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

// usage is what a list of usages says is in use.
func (r *rig) usage(namespace, name string) int {
	r.Helper()
	path := "/subscriptions/" + r.cloud.o.Subscription + "/providers/" + namespace + "/locations/swedencentral/usages?api-version=1"
	for path != "" {
		status, _, body := r.rest("GET", path, "")
		var page struct {
			NextLink string
			Value    []struct {
				Name         struct{ Value string }
				CurrentValue int
			}
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
			r.Fatal(status, body, err)
		}
		for _, u := range page.Value {
			if u.Name.Value == name {
				return u.CurrentValue
			}
		}
		path = strings.TrimPrefix(page.NextLink, r.url)
	}
	r.Fatal("there is no usage of " + name)
	return 0
}

// What failed to be made holds no quota, nor while it is made again.
func TestQuotaOfWhatFailed(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	use := func(what string, want int) {
		t.Helper()
		if n := r.usage("Microsoft.MachineLearningServices", "TotalDedicatedCores"); n != want {
			t.Errorf("%s: %d cores, want %d", what, n, want)
		}
	}
	r.inject(Fault{Kind: "crash", Times: 1})
	if _, err := r.put("chat", "blue", managed(gpu, 10, 1, "PT5S")); code(err) != "ResourceNotReady" {
		t.Fatal(err)
	}
	use("failed", 0)
	d := "/onlineEndpoints/chat/deployments/blue?api-version=1"
	r.raw("PUT", d, `{"sku":{"capacity":1},"properties":{"endpointComputeType":"Managed","instanceType":"`+gpu+`"}}`)
	use("made again", 24)
	r.advance(time.Hour)
	use("there", 24)
	r.raw("DELETE", d, "")
	use("while it goes", 24)
	r.advance(time.Hour)
	use("gone", 0)
	r.inject(Fault{Kind: "fail", Times: 1})
	r.raw("PUT", d, `{"sku":{"capacity":3},"properties":{"endpointComputeType":"Managed","instanceType":"`+gpu+`"}}`)
	r.advance(time.Hour)
	r.raw("DELETE", d, "")
	use("a failed one that goes", 0)
}

// What is beyond the quota takes none of it, and is in the way of nothing.
func TestWhatExceedsTheQuotaHoldsNone(t *testing.T) {
	r := start(t, Options{Quota: map[string]int{"ml/swedencentral/StandardNCADSA100v4Family": 48}, Endpoints: []Endpoint{{Name: "one"}, {Name: "two"}}})
	body := func(n string) string {
		return `{"sku":{"capacity":` + n + `},"properties":{"endpointComputeType":"Managed","instanceType":"` + gpu + `"}}`
	}
	r.inject(Fault{Kind: "fail", Times: 1})
	r.raw("PUT", "/onlineEndpoints/one/deployments/green?api-version=1", body("9"))
	if n := r.usage("Microsoft.MachineLearningServices", "StandardNCADSA100v4Family"); n != 48 || len(r.cloud.faults) != 1 {
		t.Errorf("with a fault that it did not need: %d cores of 48 are in use, %d faults", n, len(r.cloud.faults))
	}
	r.inject()
	r.advance(time.Hour)
	r.raw("PUT", "/onlineEndpoints/one/deployments/blue?api-version=1", body("5"))
	if n := r.usage("Microsoft.MachineLearningServices", "StandardNCADSA100v4Family"); n != 48 {
		t.Errorf("%d cores of 48 are in use", n)
	}
	r.advance(time.Hour)
	r.raw("DELETE", "/onlineEndpoints/two/deployments/blue?api-version=1", "")
	r.advance(time.Hour)
	r.raw("PUT", "/onlineEndpoints/one/deployments/blue?api-version=1", body("5"))
	if _, err := r.put("two", "blue", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Errorf("24 cores beside it: %v", err)
	}
}

// Each share is met exactly, also after requests that some deployment could not
// take part in.
func TestTrafficIsMetAfterADeploymentWasAway(t *testing.T) {
	r := start(t, Options{Endpoints: []Endpoint{{Name: "chat"}}})
	r.inject(Fault{Kind: "crash", Times: 1})
	if _, err := r.put("chat", "green", managed(gpu, 1, 1, "PT5S")); code(err) != "ResourceNotReady" {
		t.Fatal(err)
	}
	if err := r.traffic("chat", map[string]*int32{"BLUE": percent(50), "green": percent(50)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.traffic("chat", map[string]*int32{"BLUE": percent(50), "blue": percent(50)}, nil); code(err) != "BadArgument" {
		t.Errorf("blue twice: %v", err)
	}
	e := r.cloud.resources[lower(r.cloud.addressOf("Microsoft.MachineLearningServices/workspaces", "weir"))+"/onlineendpoints/chat"]
	count := func() map[string]int {
		r.cloud.mu.Lock()
		defer r.cloud.mu.Unlock()
		n := map[string]int{}
		for range 100 {
			n[r.cloud.pick(e, "").id.name()]++
		}
		return n
	}
	if n := count(); n["blue"] != 100 {
		t.Error(n)
	}
	if _, err := r.put("chat", "green", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Fatal(err)
	}
	if n := count(); n["blue"] != 50 {
		t.Error(n)
	}
	r.raw("DELETE", "/onlineEndpoints/chat/deployments/blue?api-version=1", "")
	r.advance(time.Hour)
	if _, _, body := r.raw("GET", "/onlineEndpoints/chat?api-version=1", ""); strings.Contains(lower(body), `"blue"`) {
		t.Errorf("blue is gone, and has traffic: %s", body)
	}
}

// The logs of a failure are of that failure.
func TestLogsAreOfTheContainerThatCrashed(t *testing.T) {
	r := start(t, Options{Endpoints: []Endpoint{{Name: "chat"}}})
	logs := func(name string) string {
		t.Helper()
		_, _, body := r.raw("POST", "/onlineEndpoints/chat/deployments/"+name+"/getLogs?api-version=1", "{}")
		return body
	}
	r.inject(Fault{Kind: "crash", Times: 1})
	d := managed(gpu, 1, 1, "PT5S")
	if _, err := r.put("chat", "blue", d); code(err) != "ResourceNotReady" || !strings.Contains(logs("blue"), "out of memory") {
		t.Errorf("a version that crashes: %v %s", err, logs("blue"))
	}
	if _, err := r.put("chat", "blue", d); err != nil || strings.Contains(logs("blue"), "out of memory") {
		t.Errorf("one that does not: %v %s", err, logs("blue"))
	}
	r.cloud.SetQuota("swedencentral/StandardNCADSA100v4Family", 24)
	if _, err := r.put("chat", "green", managed(gpu, 1, 1, "PT5S")); code(err) != "OutOfQuota" || strings.Contains(logs("green"), "out of memory") {
		t.Errorf("one that never started: %v %s", err, logs("green"))
	}
}

// What goes with the resource above it leaves no operation behind.
func TestARemovedWorkspaceHasNoOperations(t *testing.T) {
	r := start(t, Options{})
	for range 2 {
		r.below("PUT", "Microsoft.MachineLearningServices/workspaces", "other", `{"location":"swedencentral"}`)
		if status, body := r.below("PUT", "Microsoft.MachineLearningServices/workspaces", "other/onlineEndpoints/chat", `{"properties":{"authMode":"Key"}}`); status != 201 {
			t.Errorf("%d %s", status, body)
		}
		r.below("DELETE", "Microsoft.MachineLearningServices/workspaces", "other", "")
	}
	if len(r.cloud.active) != 0 {
		t.Errorf("%d operations of nothing", len(r.cloud.active))
	}
}
