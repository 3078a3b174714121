package azureml_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir"
	"weir/azure"
	"weir/emulate/arm"
	"weir/fleet"
	"weir/fleet/azureml"
)

// answers stands between a Weir and the emulated control plane: what it answers
// itself (not nil) does not get there.
type answers struct {
	to  http.RoundTripper
	own atomic.Pointer[func(*http.Request) *http.Response]
}

func (a *answers) Do(r *http.Request) (*http.Response, error) {
	if f := a.own.Load(); f != nil {
		if resp := (*f)(r); resp != nil {
			resp.Request = r
			return resp, nil
		}
	}
	return a.to.RoundTrip(r)
}

func (a *answers) with(f func(*http.Request) *http.Response) { a.own.Store(&f) }

func answer(status int, body string, headers ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// between makes all later places of the cloud ask through answers.
func (c *cloud) between() *answers {
	c.Helper()
	a := &answers{to: &http.Transport{TLSClientConfig: c.account.TLS()}}
	o := c.options()
	o.Transport = a
	var err error
	if c.account, err = azure.New(o); err != nil {
		c.Fatal(err)
	}
	return a
}

// patient never tries a second time.
func patient() azureml.Pace {
	p := quick
	p.Backoff, p.Longest = time.Hour, time.Hour
	return p
}

// Nothing is asked of Azure before the time that it gave, however often another
// number is asked for.
func TestNothingIsAskedBeforeTheTimeAzureGave(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	a := c.between()
	p := c.open(blue())
	var asked atomic.Int64
	a.with(func(*http.Request) *http.Response {
		asked.Add(1)
		return answer(http.StatusTooManyRequests, `{"error":{"code":"SubscriptionRequestsThrottled"}}`, "Retry-After", "600")
	})
	c.until("it is throttled", func() bool { return asked.Load() > 0 })
	c.until("it is said", func() bool { return p.Scale(t.Context(), "chat/blue", 3, nil) != nil })
	before := asked.Load()
	for i := range 20 {
		_ = p.Scale(t.Context(), "chat/blue", 3+i%2, nil)
		time.Sleep(quick.Busy)
	}
	if n := asked.Load(); n != before {
		t.Errorf("%d requests more", n-before)
	}
}

// A write that Azure does not answer for is tried again ever later, not at every
// look: writes are scarce. The other deployments of the endpoint have their turn.
func TestAWriteWithoutAnAnswerIsTriedLater(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(1)
	green := blue()
	green.Name, green.Deployment = "chat/green", "green"
	put, err := c.deployments.BeginCreateOrUpdate(t.Context(), group, workspace, "chat", "green", managed(1, 1), nil)
	end(c, put, err)
	a := c.between()
	var blues atomic.Int64
	a.with(func(r *http.Request) *http.Response {
		if r.Method != http.MethodPatch || !strings.HasSuffix(r.URL.Path, "/blue") {
			return nil
		}
		blues.Add(1)
		return answer(http.StatusTooManyRequests, `{"error":{"code":"Busy"}}`)
	})
	p := c.openAt(quick, blue(), green)
	p.scale(2)
	c.until("green has its turn", func() bool {
		_ = p.Scale(t.Context(), "chat/green", 2, nil)
		rs, err := p.Status(t.Context(), "chat/green")
		return err == nil && len(rs) == 1 && rs[0].Size() == 2 && rs[0].State == weir.Ready
	})
	p.stop()
	before := blues.Load()
	last := c.openAt(patient(), blue())
	last.scale(2)
	c.until("the write is tried", func() bool { return blues.Load() > before })
	c.until("it is said", func() bool { return last.Scale(t.Context(), "chat/blue", 2, nil) != nil })
	tried := blues.Load()
	time.Sleep(20 * quick.Busy)
	if n := blues.Load(); n != tried {
		t.Errorf("written %d times more", n-tried)
	}
}

// A lower number that Azure refuses is not sent at every look; a deployment that
// cannot go, and a number that cannot be lowered, keep no instances from coming.
func TestWhatCannotGoDelaysNothingThatComes(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	d := blue()
	d.AllowDelete, d.Definition = true, c.definition()
	changed, err := c.deployments.BeginUpdate(t.Context(), group, workspace, "chat", "blue", ml.PartialMinimalTrackedResourceWithSKU{SKU: &ml.PartialSKU{Capacity: to.Ptr[int32](3)}}, nil)
	end(c, changed, err)
	p := c.openAt(patient(), d)
	c.inject(arm.Fault{Kind: "refuse", Method: http.MethodPatch, Status: 400, Code: "BadArgument", Message: "not below 3"})
	c.until("it is refused", func() bool {
		err := p.Scale(t.Context(), "chat/blue", 1, nil)
		return err != nil && strings.Contains(err.Error(), "not below 3")
	})
	writes := c.done("write")
	time.Sleep(20 * quick.Busy)
	if n := c.done("write") - writes; n != 0 {
		t.Errorf("sent %d times more", n)
	}
	c.inject(arm.Fault{Kind: "refuse", Method: http.MethodDelete, Status: 400, Code: "BadArgument", Message: "it is locked"})
	c.until("the deletion is refused", func() bool {
		err := p.Scale(t.Context(), "chat/blue", 0, nil)
		return err != nil && strings.Contains(err.Error(), "it is locked")
	})
	c.until("more come all the same", func() bool { return p.Scale(t.Context(), "chat/blue", 5, nil) == nil && p.in(weir.Ready) == 5 })
}

// A gateway that has led forgets what it wanted: another says it.
func TestAFormerLeaderForgetsItsNumber(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	var leads atomic.Bool
	leads.Store(true)
	f, err := azureml.New(azureml.Options{Account: c.account, Deployments: []azureml.Deployment{blue()}, Pace: quick, Leads: leads.Load})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	serves := func(n int) func() bool {
		return func() bool {
			rs, err := f.Status(t.Context(), "chat/blue")
			return err == nil && len(rs) == 1 && rs[0].State == weir.Ready && rs[0].Size() == n
		}
	}
	c.until("2 serve", serves(2))
	if err := f.Scale(t.Context(), "chat/blue", 2, nil); err != nil {
		t.Fatal(err)
	}
	leads.Store(false)
	next := c.open(blue())
	c.until("5 serve", func() bool { next.scale(5); return next.in(weir.Ready) == 5 })
	c.until("the former leader sees all 5 serve", serves(5))
}

// With the endpoint its deployments are gone: nothing serves, whatever was seen.
func TestADeletedEndpointServesNothing(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(2)
	a := c.between()
	p := c.open(blue())
	a.with(func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/onlineEndpoints/chat") {
			return answer(http.StatusNotFound, `{"error":{"code":"ResourceNotFound"}}`)
		}
		return nil
	})
	c.until("nothing serves", func() bool { return len(p.status()) == 0 })
	if err := p.Scale(t.Context(), "chat/blue", 2, nil); err == nil || !strings.Contains(err.Error(), "there is no endpoint chat in workspace weir") {
		t.Error(err)
	}
}

// A deployment that Azure does not run says so, and keeps no other of the endpoint
// from being scaled.
func TestADeploymentOfAClusterIsNoOthersTrouble(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(1)
	a := c.between()
	a.with(func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/deployments/aks") {
			return answer(http.StatusOK, `{"location":"swedencentral","properties":{"endpointComputeType":"Kubernetes","provisioningState":"Succeeded"}}`)
		}
		return nil
	})
	other := blue()
	other.Name, other.Deployment = "chat/aks", "aks"
	p := c.openAt(quick, other, blue())
	c.until("2 serve", func() bool { _ = p.Scale(t.Context(), "chat/blue", 2, nil); return p.in(weir.Ready) == 2 })
	if err := p.Scale(t.Context(), "chat/aks", 2, nil); err == nil || !strings.Contains(err.Error(), "is scaled in its cluster") {
		t.Error(err)
	}
}

// An operation of which Azure says no more is not waited for: what the deployment
// says counts. One that went well is no failure because the last answer is late.
func TestTheEndOfAnOperationIsReadFromTheDeployment(t *testing.T) {
	f := func(name string, met *atomic.Bool, own func(a *answers, r *http.Request) *http.Response) {
		t.Run(name, func(t *testing.T) {
			c := start(t, ml.EndpointAuthModeKey)
			c.make(1)
			a := c.between()
			p := c.openAt(patient(), blue())
			a.with(func(r *http.Request) *http.Response { return own(a, r) })
			for _, n := range []int{3, 5} { // a failure would delay the second
				c.until("as many serve", func() bool {
					var short *fleet.Shortage
					if err := p.Scale(t.Context(), "chat/blue", n, nil); errors.As(err, &short) {
						t.Fatalf("a failure: %v", err)
					}
					return p.in(weir.Ready) == n && met.Load()
				})
			}
		})
	}
	status := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/operationsStatus/") }
	var asked, ended, late atomic.Bool
	var times atomic.Int64
	f("Weir may not ask", &asked, func(_ *answers, r *http.Request) *http.Response {
		if status(r) {
			asked.Store(true)
			return answer(http.StatusForbidden, `{"error":{"code":"AuthorizationFailed"}}`)
		}
		return nil
	})
	f("the last answer is late", &late, func(a *answers, r *http.Request) *http.Response {
		switch {
		case status(r):
			resp, err := a.to.RoundTrip(r)
			if err != nil {
				return nil
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			ended.Store(err == nil && strings.Contains(string(body), "Succeeded"))
			resp.Body = io.NopCloser(strings.NewReader(string(body)))
			return resp
		case ended.Load() && r.Method == http.MethodGet && times.Add(1) <= 3: // as often as the SDK tries
			late.Store(true)
			return answer(http.StatusServiceUnavailable, `{"error":{"code":"Busy"}}`)
		}
		return nil
	})
}

// The tags of a deployment that are not Weir's stay, even where Azure takes the
// ones it is given for all of them.
func TestOtherTagsAreKept(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	d := managed(1, 4)
	d.Tags = map[string]*string{"cost-centre": to.Ptr("42")}
	put, err := c.deployments.BeginCreateOrUpdate(t.Context(), group, workspace, "chat", "blue", d, nil)
	end(c, put, err)
	a := c.between()
	p := c.open(blue())
	sent := make(chan string, 1)
	a.with(func(r *http.Request) *http.Response {
		if r.Method == http.MethodPatch {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			select {
			case sent <- string(body):
			default:
			}
			return answer(http.StatusBadRequest, `{}`)
		}
		return nil
	})
	p.scale(2)
	if body := <-sent; !strings.Contains(body, `"cost-centre":"42"`) || !strings.Contains(body, "from 1 to 2 at") {
		t.Error(body)
	}
}
