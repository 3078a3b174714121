package azureml

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weir/azure"
)

// Finding is what is wrong with a deployment, or doubtful.
type Finding struct {
	Deployment string
	Doubt      bool // it can be scaled and asked all the same
	Err        error
}

// ErrAway: Azure Resource Manager does not answer now. What it would say is
// unknown.
var ErrAway = errors.New("azure does not answer")

// Valid says whether New and Configure would take the options. It asks nothing.
func Valid(o Options) error {
	_, err := filled(o.Deployments)
	if err == nil && len(o.Deployments) > 0 && o.Account == nil {
		_, err = newCalls(nil)
	}
	return err
}

// Check is Examine without the doubts. It is ErrAway if there are no faults but
// that Azure does not answer.
func Check(ctx context.Context, o Options) error {
	found, err := Examine(ctx, o)
	if err != nil {
		return err
	}
	var faults, unknown []error
	for _, f := range found {
		switch {
		case f.Doubt:
		case errors.Is(f.Err, ErrAway):
			unknown = append(unknown, f.Err)
		default:
			faults = append(faults, f.Err)
		}
	}
	if len(faults) == 0 {
		return errors.Join(unknown...)
	}
	return errors.Join(faults...)
}

// Examine asks Azure what New cannot know: each endpoint and deployment is there
// and managed, Weir may read it, nothing else writes its instances, and what it
// takes is what the file says. It changes nothing. The error is that the options
// are wrong.
func Examine(ctx context.Context, o Options) ([]Finding, error) {
	ds, err := filled(o.Deployments)
	if err != nil || len(ds) == 0 {
		return nil, err
	}
	c, err := newCalls(o.Account)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for i := range ds {
		x := examination{c: c, d: &ds[i]}
		x.all(ctx)
		found = append(found, x.found...)
	}
	return found, nil
}

// examination is that of one deployment.
type examination struct {
	c     *calls
	d     *Deployment
	found []Finding
}

func (x *examination) fault(format string, a ...any) {
	x.found = append(x.found, Finding{x.d.Name, false, x.d.fault(format, a...)})
}

func (x *examination) doubt(format string, a ...any) {
	x.found = append(x.found, Finding{x.d.Name, true, x.d.fault(format, a...)})
}

// asked notes why something could not be read.
func (x *examination) asked(what, right string, err error) {
	switch s := status(err); {
	case s == http.StatusForbidden:
		x.fault("%s cannot be read: Weir's identity lacks %s", what, right)
	case s == http.StatusTooManyRequests, s >= 500, s == 0 && !azure.Refused(err):
		x.fault("%w: %s: %s", ErrAway, what, x.c.account.Reason(err))
	default:
		x.fault("%s: %s", what, x.c.account.Reason(err))
	}
}

const mlActions = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/"

func (x *examination) all(ctx context.Context) {
	d := x.d
	e, err := x.c.endpoint(ctx, d.at)
	if notThere(err) {
		x.fault("there is no endpoint %s in workspace %s of resource group %s", d.Endpoint, d.Workspace, d.ResourceGroup)
		return
	}
	if err != nil {
		x.asked("endpoint "+d.Endpoint, mlActions+"read", err)
		return
	}
	if _, err := (&keys{x.c, d.at}).get(ctx); status(err) == http.StatusForbidden {
		x.asked("the key of endpoint "+d.Endpoint, mlActions+"listKeys/action or token/action", err)
	}
	v, err := x.c.deployment(ctx, d.at, d.Deployment)
	switch {
	case err != nil:
		x.asked(d.target(), mlActions+"deployments/read", err)
		return
	case !v.there && !d.AllowDelete:
		x.fault("there is no deployment %s at endpoint %s, and without allow_delete Weir makes none", d.Deployment, d.Endpoint)
		return
	}
	if d.AllowDelete {
		x.definition(ctx, v)
	}
	if v.there {
		x.settings(v)
	}
	if e.url == "" {
		x.doubt("endpoint %s has no scoring address yet (%s)", d.Endpoint, e.state)
	}
	x.writer(ctx)
}

// definition checks that the deployment can go and come back.
func (x *examination) definition(ctx context.Context, v view) {
	_, err := readDefinition(x.d.Definition)
	if err == nil && v.there {
		err = x.c.removable(ctx, x.d)
	}
	if err != nil {
		x.fault("%w", err)
	}
}

// shortTimeout is Azure's own default for an answer.
const shortTimeout = 5 * time.Second

func (x *examination) settings(v view) {
	switch n := x.d.MaxRequests; {
	case n > v.perInstance:
		x.fault("capacity.max_requests is %d, and an instance takes %d at once (max_concurrent_requests_per_instance): from 2 x instances x %d on Azure answers 429; give at most %d, or raise it at Azure",
			n, v.perInstance, v.perInstance, v.perInstance)
	case n > 0 && n < v.perInstance:
		x.doubt("capacity.max_requests is %d, and an instance takes %d at once: the rest stays unused", n, v.perInstance)
	}
	if v.timeout <= shortTimeout {
		x.doubt("Azure ends each request after %v (request_timeout_ms) with 408: raise it, up to 180 s", v.timeout)
	}
	if !v.moving() && v.state != succeeded {
		x.doubt("its state is %s", v.state)
	}
	if v.capacity > x.d.most() {
		x.doubt("it has %d instances, and scaling.max is %d", v.capacity, x.d.most())
	}
}

// writer looks for another that changes the number.
func (x *examination) writer(ctx context.Context) {
	by, err := x.c.autoscaled(ctx, x.d.at, x.d.Deployment)
	switch {
	case status(err) == http.StatusForbidden:
		x.doubt("whether an autoscale setting changes its instances too cannot be read: Weir's identity lacks microsoft.insights/autoscalesettings/read")
	case err != nil:
		x.asked("the autoscale settings", "microsoft.insights/autoscalesettings/read", err)
	case by != "":
		x.fault("%w: the autoscale setting %s of Azure Monitor changes it; remove or disable that setting, or leave the number to it and serve the endpoint as external", ErrHeld, by)
	}
}
