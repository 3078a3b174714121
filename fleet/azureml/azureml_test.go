package azureml_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir"
	"weir/emulate/arm"
	"weir/fleet"
	"weir/fleet/azureml"
)

// scale asks for a number and does not mind that it comes later.
func (p *place) scale(want int) {
	p.t.Helper()
	if err := p.Scale(p.t.Context(), "chat/blue", want, nil); err != nil {
		p.t.Fatalf("scale to %d: %v", want, err)
	}
}

// begins waits until Azure has an operation of the deployment under way.
func (c *cloud) begins() {
	c.Helper()
	c.until("an operation of the deployment", func() bool {
		r, err := c.deployments.Get(c.Context(), group, workspace, "chat", "blue", nil)
		if err != nil {
			return false
		}
		s := *r.Properties.GetOnlineDeploymentProperties().ProvisioningState
		return s == ml.DeploymentProvisioningStateScaling || s == ml.DeploymentProvisioningStateCreating
	})
}

func (c *cloud) inject(fs ...arm.Fault) {
	c.Helper()
	if err := c.Inject(fs...); err != nil {
		c.Fatal(err)
	}
}

// done is how often Azure was asked for an action on the deployment.
func (c *cloud) done(verb string) int {
	return c.Actions()["Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/"+verb]
}

// A Weir that is killed while Azure scales leaves nothing behind but Azure's own
// state: the next one finds what serves and what comes, and writes nothing twice.
func TestAnOperationIsPickedUpAfterAKill(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	c.inject(arm.Fault{Kind: "hang", Method: http.MethodPatch})
	first := c.open(blue())
	first.scale(5)
	c.begins()
	first.stop() // its memory is gone

	writes := c.done("write")
	second := c.open(blue())
	if have := second.in(weir.Ready); have != 2 {
		t.Errorf("%d serve, 2 did before: %+v", have, second.status())
	}
	second.scale(5)
	if have := second.in(weir.Starting); have != 3 {
		t.Errorf("%d start, want 3: %+v", have, second.status())
	}
	c.inject() // Azure goes on
	c.until("5 serve", func() bool { second.scale(5); return second.in(weir.Ready) == 5 })
	if more := c.done("write") - writes; more != 0 {
		t.Errorf("%d further writes for what had been begun", more)
	}
}

// The same between the deletion of a deployment and its next life.
func TestAKillBetweenDeletionAndCreationLosesNothing(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	d := blue()
	d.AllowDelete, d.Definition = true, c.definition()
	first := c.open(d)
	first.scale(0)
	c.until("it is gone", func() bool { return len(first.status()) == 0 })
	first.stop()
	second := c.open(d)
	c.inject(arm.Fault{Kind: "hang", Method: http.MethodPut})
	second.scale(3)
	c.begins()
	second.stop()
	writes := c.done("write")
	third := c.open(d)
	third.scale(3)
	c.inject()
	c.until("3 serve", func() bool { third.scale(3); return third.in(weir.Ready) == 3 })
	if more := c.done("write") - writes; more != 0 {
		t.Errorf("%d further writes for what had been begun", more)
	}
	r, err := c.deployments.Get(t.Context(), group, workspace, "chat", "blue", nil)
	if err != nil || *r.Properties.(*ml.ManagedOnlineDeployment).Model != "azureml:m:1" {
		t.Errorf("it came back as another: %v", err)
	}
}

// What another writes is left alone, and said.
func TestANumberThatAnotherWritesIsHeld(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	p := c.open(blue())
	p.scale(3)
	c.until("3 serve", func() bool { return p.in(weir.Ready) == 3 })
	other, err := c.deployments.BeginUpdate(t.Context(), group, workspace, "chat", "blue", ml.PartialMinimalTrackedResourceWithSKU{SKU: &ml.PartialSKU{Capacity: to.Ptr[int32](4)}}, nil)
	end(c, other, err)
	c.until("it is seen", func() bool { return p.Held("chat/blue") != "" })
	err = p.Scale(t.Context(), "chat/blue", 2, nil)
	if !errors.Is(err, azureml.ErrHeld) || !strings.Contains(err.Error(), "became 4, and Weir wrote 3") {
		t.Errorf("scale: %v", err)
	}
	if p.in(weir.Ready) != 4 {
		t.Errorf("while held: %+v", p.status())
	}
	c.until("it goes on after a while", func() bool {
		return p.Scale(t.Context(), "chat/blue", 2, nil) == nil && p.in(weir.Ready) == 2 && len(p.status()) == 1
	})
}

// What Azure cannot give is a shortage with a word, tried again later.
func TestWhatDoesNotComeSaysWhy(t *testing.T) {
	f := func(name, why, text string, fault arm.Fault) {
		t.Run(name, func(t *testing.T) {
			c := start(t, ml.EndpointAuthModeKey)
			c.make(1)
			p := c.open(blue())
			c.inject(fault)
			var short *fleet.Shortage
			c.until("the shortage", func() bool { return errors.As(p.Scale(t.Context(), "chat/blue", 3, nil), &short) })
			if short.Why != why || !errors.Is(short, fleet.ErrNoCapacity) || !strings.Contains(short.Error(), text) {
				t.Errorf("why %q: %v", short.Why, short)
			}
			if p.in(weir.Ready) != 1 || p.Again("chat/blue").IsZero() {
				t.Errorf("meanwhile: %+v", p.status())
			}
			c.inject()
			c.until("they come when they can", func() bool { return p.Scale(t.Context(), "chat/blue", 3, nil) == nil && p.in(weir.Ready) == 3 })
		})
	}
	f("no stock", fleet.WhyStock, "OutOfCapacity", arm.Fault{Kind: "stockout", SKU: size})
	f("a quota of the region is stock", fleet.WhyStock, "Region-wide", arm.Fault{Kind: "fail", Method: http.MethodPatch, Code: "OutOfQuota", Message: "Region-wide VM capacity is not enough"})
	f("the provider's own failure", fleet.WhyProvider, "InternalServerError", arm.Fault{Kind: "fail", Method: http.MethodPatch, Code: "InternalServerError", Message: "it broke"})
	f("a policy", fleet.WhyDenied, "RequestDisallowedByPolicy", arm.Fault{Kind: "refuse", Method: http.MethodPatch, Status: 400, Code: "RequestDisallowedByPolicy", Message: "no GPUs here"})
}

func TestQuotaIsABound(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(1)
	p := c.open(blue())
	c.SetQuota("StandardNCADSA100v4Family", 48)
	var short *fleet.Shortage
	c.until("the shortage", func() bool { return errors.As(p.Scale(t.Context(), "chat/blue", 4, nil), &short) })
	if most, why, text := p.Bound("chat/blue"); short.Why != fleet.WhyQuota || most != 1 || why != fleet.WhyQuota || !strings.Contains(text, "OutOfQuota") {
		t.Errorf("%v; bound %d %q %q", short, most, why, text)
	}
}

// What the subscription has left bounds the number before Azure refuses it, and with the
// word of a refusal.
func TestTheSubscriptionsQuotaIsABound(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	most, known := 0, false
	c.quota = func(d string, have int) (int, string, bool) { return most, d + " has " + strconv.Itoa(have), known }
	p := c.open(blue())
	f := func(want int, why, text string) {
		t.Helper()
		if n, w, said := p.Bound("chat/blue"); n != want || w != why || said != text {
			t.Errorf("bound %d %q %q, want %d %q %q", n, w, said, want, why, text)
		}
	}
	free, why, text := p.Bound("chat/blue")
	most, known = 3, true
	f(3, fleet.WhyQuota, "chat/blue has 2")
	most = free + 1
	f(free, why, text)
}

// A container that does not start is shown with the end of its log.
func TestAContainerThatDoesNotStartShowsItsLog(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	d := blue()
	d.AllowDelete, d.Definition = true, c.definition()
	c.delete()
	c.inject(arm.Fault{Kind: "crash"})
	p := c.open(d)
	p.scale(2)
	c.until("the failure", func() bool { return p.in(weir.Failed) == 2 })
	r := p.status()[0]
	if r.Why != fleet.WhyCrash || !strings.Contains(r.Detail, "ResourceNotReady") || !strings.Contains(r.Detail, "CUDA out of memory") || strings.Contains(r.Detail, "\n") || r.FailedStarts == 0 {
		t.Errorf("%+v", r)
	}
	c.inject()
	c.until("it comes at a later try", func() bool { _ = p.Scale(t.Context(), "chat/blue", 2, nil); return p.in(weir.Ready) == 2 })
}

// A start that goes on for too long is shown as failed, and counts when it comes.
func TestAStartThatHangsIsShown(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(1)
	d := blue()
	d.StartTimeout = 50 * time.Millisecond
	p := c.open(d)
	c.inject(arm.Fault{Kind: "hang"})
	p.scale(3)
	c.until("it is late", func() bool { return p.in(weir.Failed) == 2 })
	if r := p.status()[1]; r.Why != fleet.WhySlowStart || p.in(weir.Ready) != 1 {
		t.Errorf("%+v", p.status())
	}
	c.inject()
	c.until("3 serve", func() bool { p.scale(3); return p.in(weir.Ready) == 3 })
}

// While another operation runs at the endpoint, Weir waits: that is no failure.
func TestASecondOperationIsWaitedFor(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(1)
	p := c.open(blue())
	green, err := c.deployments.BeginCreateOrUpdate(t.Context(), group, workspace, "chat", "green", managed(1, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.scale(2)
	c.until("2 serve", func() bool { p.scale(2); return p.in(weir.Ready) == 2 }) // scale fails the test on any error
	end(c, green, nil)
}

// A throttled Resource Manager is left alone for as long as it asks, and what
// serves goes on serving.
func TestThrottlingIsWaitedOut(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	p := c.open(blue())
	c.inject(arm.Fault{Kind: "throttle", RetryAfter: "10m"})
	c.until("it is said", func() bool {
		err := p.Scale(t.Context(), "chat/blue", 3, nil)
		return err != nil && strings.Contains(err.Error(), "429")
	})
	if p.in(weir.Ready) != 2 {
		t.Errorf("meanwhile: %+v", p.status())
	}
	c.inject()
	c.until("3 serve", func() bool { _ = p.Scale(t.Context(), "chat/blue", 3, nil); return p.in(weir.Ready) == 3 })
}

// Instances go when the requests in flight fit those that stay; a deployment goes
// when there is none.
func TestInstancesGoWhenTheirRequestsHaveEnded(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	d := blue()
	d.AllowDelete, d.Definition = true, c.definition()
	p := c.open(d)
	p.scale(3)
	c.until("3 serve", func() bool { return p.in(weir.Ready) == 3 })
	id, writes := p.status()[0].ID, c.done("write")
	p.hold(id, 5) // an instance takes 4
	p.scale(1)
	if p.in(weir.Ready) != 1 || p.in(weir.Draining) != 2 {
		t.Errorf("while 2 drain: %+v", p.status())
	}
	time.Sleep(20 * quick.Busy) // many turns
	if c.done("write") != writes {
		t.Error("instances were removed under their requests")
	}
	p.hold(id, 4)
	c.until("1 serves", func() bool { rs := p.status(); return len(rs) == 1 && rs[0].Size() == 1 })
	p.hold(id, 1)
	p.scale(0)
	if rs := p.status(); len(rs) != 1 || rs[0].State != weir.Draining || rs[0].ID != id {
		t.Errorf("while the deployment drains: %+v", rs)
	}
	time.Sleep(20 * quick.Busy)
	if c.done("delete") != 0 {
		t.Error("the deployment was deleted under a request")
	}
	p.hold(id, 0)
	c.until("it is gone", func() bool { return len(p.status()) == 0 })
}

// A deployment is deleted only where it comes back as it is, and where no caller
// besides Weir's gets its answers from it.
func TestADeploymentThatWouldNotComeBackStays(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	d := blue()
	d.Deployment = "Blue" // Azure tells no names apart by case
	d.AllowDelete, d.Definition = true, c.definition()
	text, err := os.ReadFile(d.Definition)
	if err != nil {
		t.Fatal(err)
	}
	var was map[string]any
	if err := json.Unmarshal(text, &was); err != nil {
		t.Fatal(err)
	}
	was["properties"].(map[string]any)["model"] = "azureml:m:2"
	other, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Definition, other, 0o600); err != nil {
		t.Fatal(err)
	}
	p := c.open(d)
	stays := func(want string) {
		t.Helper()
		c.until("it is refused: "+want, func() bool {
			err := p.Scale(t.Context(), "chat/blue", 0, nil)
			return err != nil && strings.Contains(err.Error(), want)
		})
		if c.done("delete") != 0 || p.in(weir.Ready) != 1 {
			t.Errorf("%s: %+v", want, p.status())
		}
		if err := azureml.Check(t.Context(), azureml.Options{Account: c.account, Deployments: []azureml.Deployment{d}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check says %v, want %s", err, want)
		}
	}
	stays("properties.model")
	p.scale(1)
	if err := os.WriteFile(d.Definition, text, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := c.endpoints.Get(t.Context(), group, workspace, "chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	e.Properties.Traffic = map[string]*int32{"blue": to.Ptr[int32](100)}
	put, err := c.endpoints.BeginCreateOrUpdate(t.Context(), group, workspace, "chat", e.OnlineEndpoint, nil)
	end(c, put, err)
	stays("100 %")
}

// A place that does not lead writes nothing, and sees everything.
func TestAFollowerSeesAndWritesNothing(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	f, err := azureml.New(azureml.Options{Account: c.account, Deployments: []azureml.Deployment{blue()}, Pace: quick, Leads: func() bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Run(t.Context()) }()
	c.until("2 serve", func() bool {
		rs, err := f.Status(t.Context(), "chat/blue")
		return err == nil && len(rs) == 1 && rs[0].Size() == 2 && rs[0].Addr == c.URL()+"/inference/weir/chat"
	})
	writes := c.done("write")
	if err := f.Scale(t.Context(), "chat/blue", 4, nil); !errors.Is(err, fleet.ErrNotLeading) {
		t.Error(err)
	}
	time.Sleep(20 * quick.Idle)
	if c.done("write") != writes {
		t.Error("it wrote")
	}
}

// Each kind of key an endpoint wants is fetched, and is one that it takes.
func TestKeysOfEachKind(t *testing.T) {
	for _, mode := range ml.PossibleEndpointAuthModeValues() {
		t.Run(string(mode), func(t *testing.T) {
			c := start(t, mode)
			c.make(1)
			keys, err := azureml.Keys(c.account, blue())
			if err != nil {
				t.Fatal(err)
			}
			k, err := keys.GetToken(t.Context(), policy.TokenRequestOptions{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL()+"/inference/weir/chat/score", strings.NewReader(`{"rows":[1]}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+k.Token)
			r.Header.Set("azureml-model-deployment", "blue")
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.account.TLS()}}
			defer client.CloseIdleConnections()
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK || !k.ExpiresOn.After(time.Now()) {
				t.Errorf("%d, expires %v", resp.StatusCode, k.ExpiresOn)
			}
		})
	}
}
