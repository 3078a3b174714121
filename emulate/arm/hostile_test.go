package arm

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// below asks Resource Manager for a resource below the group.
func (r *rig) below(method, typ, name, body string) (int, string) {
	r.Helper()
	status, _, text := r.rest(method, r.cloud.addressOf(typ, name)+"?api-version=1", body)
	return status, text
}

// Bodies and paths that no SDK sends change nothing.
func TestWhatNoClientSendsChangesNothing(t *testing.T) {
	r := start(t, Options{Endpoints: []Endpoint{{Name: "chat"}}})
	f := func(what, method, path, body string, want int) {
		t.Helper()
		if status, _, text := r.raw(method, path+"?api-version=1", body); status != want {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	f("null", "PUT", "/onlineEndpoints/chat", "null", 400)
	f("null for what is not there", "PUT", "/onlineEndpoints/none", "null", 400)
	f("an array", "PUT", "/onlineEndpoints/chat", "[1]", 400)
	f("two values", "PUT", "/onlineEndpoints/chat", "{} {}", 400)
	f("a slash in a name", "PUT", "/onlineEndpoints/chat%2Fdeployments%2Fblue", `{"properties":{"authMode":"Key"}}`, 404)
	f("a slash in a name that is read", "GET", "/onlineEndpoints/chat%2Fdeployments%2Fblue", "", 404)
	r.advance(time.Hour)
	f("the deployment", "GET", "/onlineEndpoints/chat/deployments/blue", "", 200)
	if resp, body := r.score("chat", "/score", r.key("chat"), chat); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// The pools that come with a cluster follow the rules of every pool, and take
// their quota from the start.
func TestPoolsOfANewCluster(t *testing.T) {
	r := start(t, Options{Quota: map[string]int{"compute/swedencentral/StandardNCADSA100v4Family": 96}})
	put := func(name, pools, want string) {
		t.Helper()
		status, text := r.below("PUT", clusterType, name, `{"location":"swedencentral","properties":{"agentPoolProfiles":[`+pools+`]}}`)
		if want == "" && status != 201 || want != "" && (status != 400 || !strings.Contains(text, want)) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	gpus := func(name, n string) string { return `{"name":"` + name + `","count":` + n + `,"vmSize":"` + gpu + `"}` }
	put("text", `"x"`, "agentPoolProfiles[0]")
	put("null", `null`, "agentPoolProfiles[0]")
	put("twice", gpus("a", "1")+","+gpus("a", "1"), "agentPoolProfiles[1]")
	put("unnamed", gpus("", "1"), "name")
	put("many", gpus("a", "3")+","+gpus("b", "2"), "InsufficientVCPUQuota")
	put("good", gpus("a", "3"), "")
	put("beside", gpus("a", "2"), "InsufficientVCPUQuota")
	r.advance(time.Hour)
	put("later", gpus("a", "2"), "InsufficientVCPUQuota")
	put("one", gpus("a", "1"), "")
	if status, text := r.below("GET", clusterType, "good/agentPools/a", ""); status != 200 || !strings.Contains(text, "Succeeded") {
		t.Errorf("%d %s", status, text)
	}
}

// A copy whose container cuts its answer ends alone.
func TestACutCopyEndsAlone(t *testing.T) {
	r := start(t, Options{Endpoints: []Endpoint{{Name: "chat", Seconds: 90}, {Name: "chat", Deployment: "green", Seconds: 90}}})
	if err := r.traffic("chat", map[string]*int32{"blue": percent(100)}, map[string]*int32{"green": percent(50)}); err != nil {
		t.Fatal(err)
	}
	key := r.key("chat")
	p := r.cloud.resources[lower(r.cloud.addressOf("Microsoft.MachineLearningServices/workspaces", "weir"))+"/onlineendpoints/chat/deployments/green"].server
	req, err := http.NewRequest(http.MethodPut, r.url+"/inference/weir/chat/admin/faults", strings.NewReader(`[{"kind":"drop"}]`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set(headerDeployment, "green")
	resp, err := r.http.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	for range 2 {
		if resp, body := r.score("chat", "/score", key, chat); resp.StatusCode != 200 {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	for n := p.counts(); n.Most == 0 || n.InFlight > 0; n = p.counts() { // nothing else says that the copy has ended
		time.Sleep(time.Millisecond)
	}
	if n := p.counts(); n.Mirrored != 0 || n.InFlight != 0 {
		t.Errorf("%+v", n)
	}
}

// unread is a client that takes its answer only when the lock is free.
type unread struct {
	*httptest.ResponseRecorder
	t *testing.T
	c *Cloud
}

func (u unread) Write(b []byte) (int, error) {
	if !u.c.mu.TryLock() {
		u.t.Error("it is answered under the lock")
		return u.ResponseRecorder.Write(b)
	}
	u.c.mu.Unlock()
	return u.ResponseRecorder.Write(b)
}

func TestASlowReaderHoldsUpNothing(t *testing.T) {
	r := start(t, Options{Endpoints: []Endpoint{{Name: "chat"}}})
	for path, want := range map[string]int{
		"/emulator/state": 200, "/emulator/calls": 200, "/emulator/faults": 200,
		r.cloud.addressOf("Microsoft.MachineLearningServices/workspaces", "weir") + "?api-version=1": 200,
		"/subscriptions/" + r.cloud.o.Subscription + "/metrics:getBatch":                             400,
		"/inference/weir/night/jobs": 400,
	} {
		method := http.MethodGet
		req := httptest.NewRequest(method, path, nil)
		if want == 400 {
			req = httptest.NewRequest(http.MethodPost, path, nil)
		}
		token := r.cloud.issuer.token(audience, "app", "", time.Hour, time.Now())
		if strings.HasPrefix(path, "/inference") {
			r.cloud.mu.Lock()
			id, _ := parseID(r.cloud.addressOf("Microsoft.MachineLearningServices/workspaces", "weir") + "/batchEndpoints/night")
			r.cloud.makeAt(id, object{"properties": object{"authMode": "AADToken"}})
			r.cloud.mu.Unlock()
			token = r.cloud.issuer.token(audiences["score"][0], "app", "", time.Hour, time.Now())
		}
		req.Header.Set("Authorization", "Bearer "+token)
		w := unread{httptest.NewRecorder(), t, r.cloud}
		if r.cloud.Handler().ServeHTTP(w, req); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
