package azureml_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir"
	"weir/emulate/arm"
	"weir/fleet/azureml"
)

// What is wrong with a deployment is found before a request is sent, and nothing is
// changed by looking.
func TestExamine(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	short := managed(2, 4)
	short.Properties.(*ml.ManagedOnlineDeployment).RequestSettings.RequestTimeout = to.Ptr("PT5S")
	p, err := c.deployments.BeginCreateOrUpdate(t.Context(), group, workspace, "chat", "blue", short, nil)
	end(c, p, err)
	writes := c.done("write")
	f := func(change func(*azureml.Deployment), doubt bool, want ...string) {
		t.Helper()
		d := blue()
		change(&d)
		found, err := azureml.Examine(t.Context(), azureml.Options{Account: c.account, Deployments: []azureml.Deployment{d}})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			hit := false
			for _, f := range found {
				hit = hit || strings.Contains(f.Err.Error(), w) && f.Doubt == doubt
			}
			if !hit {
				t.Errorf("nothing says %q: %+v", w, found)
			}
		}
	}
	f(func(d *azureml.Deployment) { d.MaxRequests = 8 }, false, "capacity.max_requests is 8, and an instance takes 4 at once")
	f(func(d *azureml.Deployment) { d.MaxRequests = 2; d.MaxReplicas = 1 }, true, "the rest stays unused", "after 5s", "it has 2 instances, and scaling.max is 1")
	f(func(d *azureml.Deployment) { d.Endpoint = "other" }, false, "there is no endpoint other")
	f(func(d *azureml.Deployment) { d.Deployment = "green" }, false, "without allow_delete Weir makes none")
	f(func(d *azureml.Deployment) { d.AllowDelete, d.Definition = true, "none.json" }, false, "its definition cannot be read")
	if n := c.done("write"); n != writes {
		t.Errorf("looking wrote %d times", n-writes)
	}
	c.inject(arm.Fault{Kind: "throttle", RetryAfter: "10m"})
	if err := azureml.Check(t.Context(), azureml.Options{Account: c.account, Deployments: []azureml.Deployment{blue()}}); !errors.Is(err, azureml.ErrAway) {
		t.Errorf("while Azure is throttled: %v", err)
	}
}

// A missing right to the key is found before the first request fails.
func TestAKeyThatMayNotBeReadIsSaid(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(1)
	c.between().with(func(r *http.Request) *http.Response {
		if strings.HasSuffix(strings.ToLower(r.URL.Path), "/listkeys") {
			return answer(http.StatusForbidden, `{"error":{"code":"AuthorizationFailed"}}`)
		}
		return nil
	})
	err := azureml.Check(t.Context(), azureml.Options{Account: c.account, Deployments: []azureml.Deployment{blue()}})
	if err == nil || !strings.Contains(err.Error(), "the key of endpoint chat cannot be read: Weir's identity lacks") {
		t.Error(err)
	}
}

// The role in deploy/azure covers what Weir asks for, the rare calls too, and the
// scoring with a token of Entra ID.
func TestTheRoleCoversEveryCall(t *testing.T) {
	text, err := os.ReadFile("../../deploy/azure/weir-endpoints.json")
	if err != nil {
		t.Fatal(err)
	}
	var role struct{ Actions, NotActions []string }
	if err := json.Unmarshal(text, &role); err != nil || len(role.NotActions) > 0 {
		t.Fatal(role.NotActions, err)
	}
	has := func(action string) bool {
		return slices.ContainsFunc(role.Actions, func(a string) bool { return strings.EqualFold(a, action) })
	}
	c := start(t, ml.EndpointAuthModeKey)
	d := blue()
	d.AllowDelete, d.Definition = true, c.definition()
	c.scorer()()
	c.inject(arm.Fault{Kind: "crash"})
	p := c.open(d)
	p.scale(0)
	c.until("it is gone", func() bool { return len(p.status()) == 0 })
	p.scale(2)
	c.until("the log is read", func() bool { return p.in(weir.Failed) == 2 })
	const at = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/"
	asked := c.Actions()
	for _, action := range []string{"listKeys/action", "deployments/getLogs/action", "deployments/delete", "deployments/write", "deployments/read"} {
		met := false
		for a := range asked {
			met = met || strings.EqualFold(a, at+action)
		}
		if !met || !has(at+action) {
			t.Errorf("%s: asked %v, in the role %v", action, met, has(at+action))
		}
	}
	for _, action := range []string{"score/action", "token/action"} {
		if !has(at + action) {
			t.Errorf("the role lacks %s", action)
		}
	}
}

func TestWhatIsWrongWithTheOptionsIsSaid(t *testing.T) {
	f := func(want string, ds ...azureml.Deployment) {
		t.Helper()
		if err := azureml.Valid(azureml.Options{Deployments: ds}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	d := blue()
	f("no subscription", d)
	f("is there twice", d, d)
	twin := d
	twin.Name = "chat/twin"
	f("another deployment's too", d, twin)
	d.AllowDelete = true
	f("does not say how it is made again", d)
	f("is missing", azureml.Deployment{Name: "x"})
}
