package azureopenai

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2"

	"weir/azure"
	"weir/quota"
)

// Ref names a deployment of Azure OpenAI.
type Ref struct{ Group, Resource, Deployment string }

// Object is a deployment as Azure has it.
type Object struct {
	quota.Units
	Capacity  int64  // PTUs, or thousands of tokens a minute; while it is changed, those that serve already
	State     string // "Succeeded"; another while it is being changed
	Spillover string // the deployment that Azure itself sends to when this one is full; "": none

	// What Azure enforces, of a standard deployment; 0: it does not say.
	TokensPerMinute, RequestsPerMinute int

	current int64 // properties.currentCapacity; 0: it does not say
}

// serving is a look during a change, or after one that failed: Capacity is the least of
// what was asked for, of what Azure says is there, and of what was there before, so that
// the gateway never admits by units that have not come.
func (o Object) serving(before int64) Object {
	if o.State == "" || strings.EqualFold(o.State, "Succeeded") {
		return o
	}
	for _, n := range []int64{o.current, before} {
		if n > 0 && n < o.Capacity {
			o.Capacity, o.TokensPerMinute, o.RequestsPerMinute = n, 0, 0
		}
	}
	return o
}

// Settled says whether no change is under way.
func (o Object) Settled() bool {
	return o.State == "" || strings.EqualFold(o.State, "Succeeded") || strings.EqualFold(o.State, "Failed") || strings.EqualFold(o.State, "Canceled")
}

// Client reads and changes deployments.
type Client struct {
	account     *azure.Account
	deployments *armcognitiveservices.DeploymentsClient
	resources   *armcognitiveservices.AccountsClient
}

// NewClient sends no request.
func NewClient(a *azure.Account) (*Client, error) {
	f, err := armcognitiveservices.NewClientFactory(a.Subscription(), a.Credential(), a.Client())
	if err != nil {
		return nil, fmt.Errorf("azureopenai: %s", a.Reason(err))
	}
	return &Client{account: a, deployments: f.NewDeploymentsClient(), resources: f.NewAccountsClient()}, nil
}

// Location is the region of a resource.
func (c *Client) Location(ctx context.Context, r Ref) (string, error) {
	x, err := c.resources.Get(ctx, r.Group, r.Resource, nil)
	return of(x.Location), err
}

// Read reads a deployment; its location is the caller's to fill in.
func (c *Client) Read(ctx context.Context, r Ref) (Object, error) {
	x, err := c.deployments.Get(ctx, r.Group, r.Resource, r.Deployment, nil)
	if err != nil {
		return Object{}, err
	}
	o := objectOf(&x.Deployment)
	if o.SKU == "" || o.Capacity < 1 { // none would be no limit at all
		return o, fmt.Errorf("the answer of Azure has no size: kind %q, %d units", o.SKU, o.Capacity)
	}
	return o, nil
}

func objectOf(d *armcognitiveservices.Deployment) (o Object) {
	if s := d.SKU; s != nil {
		o.SKU, o.Capacity = of(s.Name), int64(of(s.Capacity))
	}
	p := d.Properties
	if p == nil {
		return o
	}
	// sku.capacity is what was asked for.
	if n := int64(of(p.CurrentCapacity)); n > 0 {
		o.current = n
	}
	o.State, o.Spillover = string(of(p.ProvisioningState)), of(p.SpilloverDeploymentName)
	if m := p.Model; m != nil {
		o.Model, o.Version = of(m.Name), of(m.Version)
	}
	for _, l := range p.RateLimits {
		if l == nil || !(of(l.RenewalPeriod) > 0) || !(of(l.Count) > 0) {
			continue
		}
		n := int(math.Min(math.Round(float64(of(l.Count))*60/float64(of(l.RenewalPeriod))), 1e12))
		switch strings.ToLower(of(l.Key)) {
		case "token":
			o.TokensPerMinute = n
		case "request":
			o.RequestsPerMinute = n
		}
	}
	return o
}

func of[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// resize asks for another size and does not wait for it: the object says what
// became of it.
func (c *Client) resize(ctx context.Context, r Ref, sku string, units int64) error {
	if units < 1 || units > math.MaxInt32 {
		return fmt.Errorf("%d units: want 1 to %d", units, math.MaxInt32)
	}
	n := int32(units)
	_, err := c.deployments.BeginUpdate(ctx, r.Group, r.Resource, r.Deployment, armcognitiveservices.PatchResourceTagsAndSKU{
		SKU: &armcognitiveservices.SKU{Name: &sku, Capacity: &n},
	}, nil)
	return err
}
