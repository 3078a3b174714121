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
	Capacity  int64  // PTUs, or thousands of tokens a minute
	State     string // "Succeeded"; another while it is being changed
	Spillover string // the deployment that Azure itself sends to when this one is full; "": none

	// What Azure enforces, of a standard deployment; 0: it does not say.
	TokensPerMinute, RequestsPerMinute int
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
	return objectOf(&x.Deployment), nil
}

func objectOf(d *armcognitiveservices.Deployment) (o Object) {
	if s := d.SKU; s != nil {
		o.SKU, o.Capacity = of(s.Name), int64(of(s.Capacity))
	}
	p := d.Properties
	if p == nil {
		return o
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
