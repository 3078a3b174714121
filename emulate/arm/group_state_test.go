package arm

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func (r *rig) putGroup(name, policy string, cpu int, more string) (int, string) {
	r.Helper()
	return r.below("PUT", groupType, name, fmt.Sprintf(`{"location":"swedencentral","properties":{"osType":"Linux","restartPolicy":%q,
		"containers":[{"name":"c","properties":{"image":"i","resources":{"requests":{"cpu":%d,"memoryInGB":1}}}}]%s}}`, policy, cpu, more))
}

func (r *rig) stateOf(name string) (provisioning, view string) {
	r.Helper()
	_, body := r.below("GET", groupType, name, "")
	var g struct {
		Properties struct {
			ProvisioningState string
			InstanceView      struct{ State string }
		}
	}
	if err := json.Unmarshal([]byte(body), &g); err != nil {
		r.Fatal(body)
	}
	return g.Properties.ProvisioningState, g.Properties.InstanceView.State
}

// Cores are those of groups that run or begin to, whatever went wrong before.
func TestCoresOfGroupsAddUp(t *testing.T) {
	r := start(t, Options{})
	f := func(what string, want int) {
		t.Helper()
		if n := r.usage("Microsoft.ContainerInstance", "StandardCores"); n != want {
			t.Errorf("%s: %d cores, want %d", what, n, want)
		}
	}
	act := func(name, action string, want int) {
		t.Helper()
		if status, body := r.below("POST", groupType, name+"/"+action, ""); status != want {
			t.Errorf("%s %s: %d %s", action, name, status, body)
		}
	}
	r.inject(Fault{Kind: "fail", Resource: "/failed", Times: 1})
	r.putGroup("failed", "Always", 30, "")
	f("one that begins", 30)
	r.advance(time.Hour)
	f("one that failed to begin", 0)
	if status, _ := r.below("PATCH", groupType, "failed", `{"tags":{"a":"b"}}`); status != 200 {
		t.Errorf("its tags: %d", status)
	}
	f("one that failed, with tags", 0)
	for i := range 4 {
		r.putGroup(fmt.Sprint("g", i), "Always", 30, "")
		r.advance(time.Hour)
		act(fmt.Sprint("g", i), "stop", 204)
	}
	f("stopped ones", 0)
	act("g0", "restart", 204)
	act("g1", "restart", 204)
	act("g2", "start", 202)
	f("restarted", 90)
	act("g3", "restart", 409)
	act("g3", "start", 409)
	r.advance(time.Hour)
	r.putGroup("g0", "Always", 1, "")
	f("while one shrinks", 90)
	r.advance(time.Hour)
	f("when it has shrunk", 61)
	r.putGroup("ended", "Never", 10, "")
	r.advance(time.Hour)
	f("when one has ended", 61)
	r.putGroup("ended", "Never", 20, "")
	f("when it begins again", 81)
}

// A stop or a delete never leaves a group between two states.
func TestGroupsEndInAState(t *testing.T) {
	r := start(t, Options{})
	f := func(name, wantState, wantView string) {
		t.Helper()
		if state, view := r.stateOf(name); state != wantState || view != wantView {
			t.Errorf("%s is %s, %s: want %s, %s", name, state, view, wantState, wantView)
		}
	}
	r.putGroup("one", "Always", 1, "")
	r.inject(Fault{Kind: "refuse", Method: "DELETE", Times: 1})
	if status, body := r.below("DELETE", groupType, "one", ""); status != 409 {
		t.Errorf("%d %s", status, body)
	}
	f("one", "Creating", "Pending")
	r.advance(time.Hour)
	f("one", "Succeeded", "Running")

	r.putGroup("two", "Always", 1, "")
	r.below("POST", groupType, "two/stop", "")
	f("two", "Succeeded", "Stopped")

	r.below("DELETE", groupType, "one", "")
	if status, body := r.below("POST", groupType, "one/stop", ""); status != 409 {
		t.Errorf("a stop while it is deleted: %d %s", status, body)
	}
	if status, body := r.below("POST", groupType, "one/restart", ""); status != 409 {
		t.Errorf("a restart while it is deleted: %d %s", status, body)
	}
	r.advance(time.Hour)
	if status, _ := r.below("GET", groupType, "one", ""); status != 404 {
		t.Errorf("deleted: %d", status)
	}

	r.inject(Fault{Kind: "fail", Method: "start", Times: 1})
	r.below("POST", groupType, "two/start", "")
	f("two", "Updating", "Pending")
	r.advance(time.Hour)
	f("two", "Failed", "Stopped")

	r.putGroup("job", "Never", 1, `,"containers":[{"name":"c","properties":{"image":"i","environmentVariables":[{"name":"EMULATE_EXIT","value":"3"}],"resources":{"requests":{"cpu":1,"memoryInGB":1}}}}]`)
	r.advance(time.Hour)
	r.below("POST", groupType, "job/stop", "")
	f("job", "Succeeded", "Failed")
}

func TestGroupsKeepTheirSecretsAndFewPorts(t *testing.T) {
	r := start(t, Options{})
	secret := `,"imageRegistryCredentials":[{"server":"s","username":"u","password":"hush"}],"volumes":[{"name":"v","azureFile":{"storageAccountKey":"hush"}},{"name":"w","secret":{"a":"hush"}}]`
	if _, body := r.putGroup("one", "Always", 1, secret); strings.Contains(body, "hush") || !strings.Contains(body, `"username":"u"`) {
		t.Error(body)
	}
	for _, ports := range []string{`{"port":1},{"port":2},{"port":3},{"port":4},{"port":5},{"port":6}`, `{"port":0}`, `{"port":1.5}`, `{}`, `{"port":65536}`} {
		if status, _ := r.putGroup("two", "Always", 1, `,"ipAddress":{"type":"Public","ports":[`+ports+`]}`); status != 400 {
			t.Errorf("ports %s: %d", ports, status)
		}
	}
}
