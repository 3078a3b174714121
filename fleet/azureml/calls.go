package azureml

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"

	"weir/azure"
)

// calls are the requests to Azure Resource Manager, all that this package makes.
type calls struct {
	account     *azure.Account
	endpoints   *ml.OnlineEndpointsClient
	deployments *ml.OnlineDeploymentsClient
	autoscale   *armmonitor.AutoscaleSettingsClient
}

func newCalls(a *azure.Account) (*calls, error) {
	if a == nil {
		return nil, errors.New("azureml: the file names no subscription: add azure: {subscription: ...}")
	}
	c := &calls{account: a}
	var err [3]error
	c.endpoints, err[0] = ml.NewOnlineEndpointsClient(a.Subscription(), a.Credential(), a.Client())
	c.deployments, err[1] = ml.NewOnlineDeploymentsClient(a.Subscription(), a.Credential(), a.Client())
	c.autoscale, err[2] = armmonitor.NewAutoscaleSettingsClient(a.Subscription(), a.Credential(), a.Client())
	return c, errors.Join(err[:]...)
}

// endpointView is what Azure says of an endpoint.
type endpointView struct {
	state   string
	auth    ml.EndpointAuthMode
	url     string         // base of its requests
	traffic map[string]int // percent, by name in lower case: Azure tells none apart by it
}

func (c *calls) endpoint(ctx context.Context, e at) (v endpointView, err error) {
	r, err := c.endpoints.Get(ctx, e.ResourceGroup, e.Workspace, e.Endpoint, nil)
	if err != nil {
		return v, err
	}
	p := r.Properties
	if p == nil {
		return v, errors.New("the endpoint has no properties")
	}
	v.traffic = map[string]int{}
	for name, n := range p.Traffic {
		v.traffic[strings.ToLower(name)] = int(deref(n))
	}
	v.state, v.auth, v.url = string(deref(p.ProvisioningState)), deref(p.AuthMode), baseOf(deref(p.ScoringURI))
	return v, nil
}

// baseOf is the address below which the paths of an inference server are. A
// scoring address ends in /score for images of Azure, and in the container's own
// scoring route for others.
func baseOf(scoring string) string {
	for _, end := range [...]string{"/score", "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1"} {
		if base, ok := strings.CutSuffix(scoring, end); ok {
			return base
		}
	}
	return strings.TrimSuffix(scoring, "/")
}

func (c *calls) deployment(ctx context.Context, e at, name string) (v view, err error) {
	r, err := c.deployments.Get(ctx, e.ResourceGroup, e.Workspace, e.Endpoint, name, nil)
	if notThere(err) {
		return view{}, nil
	}
	if err != nil {
		return v, err
	}
	return viewOf(&r.OnlineDeployment)
}

// errUnmanaged: Azure does not run the instances.
var errUnmanaged = errors.New("it is no managed deployment: a Kubernetes one is scaled in its cluster")

func viewOf(r *ml.OnlineDeployment) (v view, err error) {
	p, ok := r.Properties.(*ml.ManagedOnlineDeployment)
	if !ok {
		return v, errUnmanaged
	}
	v.there, v.state = true, string(deref(p.ProvisioningState))
	if r.SKU != nil {
		v.capacity = int(deref(r.SKU.Capacity))
	}
	v.mark, v.marked = markOf(deref(r.Tags[tag]))
	v.tags = r.Tags
	if r.SystemData != nil {
		v.created = deref(r.SystemData.CreatedAt)
	}
	v.perInstance, v.timeout = 1, 5*time.Second // Azure's defaults
	if q := p.RequestSettings; q != nil {
		if n := deref(q.MaxConcurrentRequestsPerInstance); n > 0 {
			v.perInstance = int(n)
		}
		if d, ok := span(deref(q.RequestTimeout)); ok {
			v.timeout = d
		}
	}
	return v, nil
}

// span reads an ISO 8601 duration of days, hours, minutes and seconds.
func span(text string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return 0, false
	}
	var d time.Duration
	if days, after, has := strings.Cut(rest, "D"); has {
		n, err := time.ParseDuration(days + "h")
		if err != nil {
			return 0, false
		}
		d, rest = 24*n, after
	}
	if rest = strings.ToLower(strings.TrimPrefix(rest, "T")); rest == "" {
		return d, d > 0
	}
	n, err := time.ParseDuration(rest)
	return d + n, err == nil
}

// poll asks once how an operation is going. again is how long Azure wants to be
// left alone; failed is how it ended, err why that cannot be said.
type poll func(ctx context.Context) (done bool, again time.Duration, failed, err error)

func following[T any](p *azruntime.Poller[T]) poll {
	return func(ctx context.Context) (bool, time.Duration, error, error) {
		var again time.Duration
		if !p.Done() {
			resp, err := p.Poll(ctx)
			if err != nil {
				return false, 0, nil, err
			}
			again = azure.RetryAfter(resp.Header)
		}
		if !p.Done() {
			return false, again, nil, nil
		}
		_, err := p.Result(ctx)
		if s := status(err); err != nil && (s == 0 || s >= 400 && !final(err)) { // how it ended could not be read
			return false, 0, nil, err
		}
		return true, 0, err, nil
	}
}

// patch writes the number, and the tag. Azure may take the tags given for all of
// them, so those that are there are given too.
func (c *calls) patch(ctx context.Context, e at, name string, n int, m mark, tags map[string]*string) (poll, error) {
	all := maps.Clone(tags)
	if all == nil {
		all = map[string]*string{}
	}
	all[tag] = to.Ptr(m.String())
	p, err := c.deployments.BeginUpdate(ctx, e.ResourceGroup, e.Workspace, e.Endpoint, name, ml.PartialMinimalTrackedResourceWithSKU{
		SKU: &ml.PartialSKU{Capacity: to.Ptr(int32(n))}, Tags: all,
	}, nil)
	if err != nil {
		return nil, err
	}
	return following(p), nil
}

func (c *calls) put(ctx context.Context, e at, name string, body ml.OnlineDeployment) (poll, error) {
	p, err := c.deployments.BeginCreateOrUpdate(ctx, e.ResourceGroup, e.Workspace, e.Endpoint, name, body, nil)
	if err != nil {
		return nil, err
	}
	return following(p), nil
}

func (c *calls) remove(ctx context.Context, e at, name string) (poll, error) {
	p, err := c.deployments.BeginDelete(ctx, e.ResourceGroup, e.Workspace, e.Endpoint, name, nil)
	if err != nil {
		return nil, err
	}
	return following(p), nil
}

// logLines bounds what is asked of a container's log, logText what is kept.
const (
	logLines = 20
	logText  = 1000
)

// logs is the end of the log of a deployment's container, on one line; "": none.
func (c *calls) logs(ctx context.Context, e at, name string) string {
	r, err := c.deployments.GetLogs(ctx, e.ResourceGroup, e.Workspace, e.Endpoint, name,
		ml.DeploymentLogsRequest{ContainerType: to.Ptr(ml.ContainerTypeInferenceServer), Tail: to.Ptr(int32(logLines))}, nil)
	if err != nil {
		return ""
	}
	return tail(c.account.Redact(deref(r.Content)), logText)
}

// tail is the end of a text, on one line, of at most n characters.
func tail(text string, n int) string {
	line := []rune(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " | "))
	if len(line) > n {
		return "..." + string(line[len(line)-n:])
	}
	return string(line)
}

// autoscaled names the enabled autoscale setting whose target is a deployment;
// "": none in its resource group.
func (c *calls) autoscaled(ctx context.Context, e at, name string) (string, error) {
	id := c.id(e, name)
	for pages := c.autoscale.NewListByResourceGroupPager(e.ResourceGroup, nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if notThere(err) { // no such group, or no such service in this cloud
			return "", nil
		}
		if err != nil {
			return "", err
		}
		for _, s := range page.Value {
			if s == nil || s.Properties == nil {
				continue
			}
			if p := s.Properties; deref(p.Enabled) && strings.EqualFold(strings.TrimSuffix(deref(p.TargetResourceURI), "/"), id) {
				return deref(s.Name), nil
			}
		}
	}
	return "", nil
}

// id is the address of a deployment at Azure Resource Manager.
func (c *calls) id(e at, name string) string {
	return "/subscriptions/" + c.account.Subscription() + "/resourceGroups/" + e.ResourceGroup +
		"/providers/Microsoft.MachineLearningServices/workspaces/" + e.Workspace + "/onlineEndpoints/" + e.Endpoint + "/deployments/" + name
}

func notThere(err error) bool { return status(err) == http.StatusNotFound }

// status is the HTTP status of Azure's answer; 0: none.
func status(err error) int {
	var r *azcore.ResponseError
	if errors.As(err, &r) {
		return r.StatusCode
	}
	return 0
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
