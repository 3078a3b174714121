package wire

import (
	"cmp"
	"fmt"

	"weir"
	"weir/azure"
	"weir/config"
	"weir/dispatch"
	"weir/gateway"
	"weir/meter"
	"weir/upstream"
	azureopenai "weir/upstream/azure"
	"weir/upstream/dialects"
)

// Gateway makes the gateway's options, which a reload may swap while serving.
func Gateway(c *config.Config, credential func(*config.AzureOpenAI) (upstream.Credential, error)) (gateway.Config, error) {
	g := gateway.Config{Bounds: gateway.Bounds{
		MaxBody: int64(c.Server.MaxBody), MaxBodyMemory: bodyMemory(&c.Server), MaxRequests: c.Server.MaxRequests, MaxStreams: c.Server.MaxStreams,
		BodyTimeout: c.Server.BodyTimeout, WriteTimeout: c.Server.WriteTimeout, Pulse: c.Server.PingAfter,
	}}
	for _, p := range c.Server.TrustedProxies {
		g.TrustedProxies = append(g.TrustedProxies, p.Prefix)
	}
	if o := c.Server.CORS; o != nil {
		g.CORS = gateway.CORS(*o)
	}
	for i := range c.Tenants {
		g.Tenants = append(g.Tenants, gatewayTenant(&c.Tenants[i]))
	}
	for i := range c.Limits {
		g.Limits = append(g.Limits, Limit(&c.Limits[i]))
	}
	account, err := AzureAccount(c)
	if err != nil {
		return gateway.Config{}, err
	}
	keys := keys{credential, account}
	for i := range c.Models {
		m, err := gatewayModel(&c.Models[i], keys)
		if err != nil {
			return gateway.Config{}, err
		}
		g.Models = append(g.Models, m)
	}
	return g, nil
}

func gatewayTenant(t *config.Tenant) gateway.Tenant {
	g := gateway.Tenant{Name: t.Name, Limits: scopeLimits(t.Limits, t.Budget), Trim: gateway.Trim(t.TrimMaxTokens), Class: class(t.Class), Share: t.Share, Models: t.Models, NotCheaper: !t.Cheaper}
	for _, k := range t.Keys {
		g.Keys = append(g.Keys, gateway.Key{Name: k.Name, SHA256: k.Hash, Limits: scopeLimits(k.Limits, k.Budget)})
	}
	return g
}

// keys are where upstreams' keys come from that are no key in the file.
type keys struct {
	azureOpenAI func(*config.AzureOpenAI) (upstream.Credential, error)
	account     *azure.Account // nil: the file names no subscription
}

func gatewayModel(m *config.Model, k keys) (gateway.Model, error) {
	g := gateway.Model{
		Name: m.Name, Aliases: m.Aliases, Limits: scopeLimits(m.Limits, m.Budget), Trim: gateway.Trim(m.TrimMaxTokens), SLO: weir.SLO(m.SLO), Attempts: m.Attempts,
		Queue: dispatch.Queue(m.Queue), SpillAfter: m.SpillAfter, Affinity: affinity(m.Affinity), Health: dispatch.Health(m.Health),
		Hedge: hedge(m.Hedge), Sticky: sticky(m.Split), Cache: cachePolicy(m.Cache), Vectors: vectorPolicy(m.Embeddings), Meaning: meaningOf(m.Cache), Cheaper: cheaperOf(m.Cheaper),
	}
	if m.Class != "" {
		c := class(m.Class)
		g.Class = &c
	}
	for i := range m.Deployments {
		d, err := gatewayDeployment(m, &m.Deployments[i], k)
		if err != nil {
			return gateway.Model{}, err
		}
		g.Deployments = append(g.Deployments, d)
	}
	return g, nil
}

func gatewayDeployment(m *config.Model, d *config.Deployment, k keys) (gateway.Deployment, error) {
	g := gateway.Deployment{
		Deployment: dispatch.Deployment{
			Name: d.Name, Tier: d.Tier, Weight: d.Weight,
			MaxRequests: d.Capacity.MaxRequests, MaxWork: d.Capacity.MaxWork, MaxPrefill: MaxPrefill(d),
			Elastic: Elastic(d), Context: d.MaxContext, CacheTokens: d.Capacity.PrefixCache,
			Lacks: lacks(d.Supports),
		},
		Serves: d.Serves,
		Upstream: upstream.Options{
			ConnectTimeout: d.Timeouts.Connect, HeaderTimeout: d.Timeouts.Header,
			StallTimeout: d.Timeouts.Stall, TotalTimeout: d.Timeouts.Total, HTTP2: d.HTTP2,
		},
	}
	var err error
	if g.Rates, g.Price, err = Price(d.Price); err != nil {
		return gateway.Deployment{}, fmt.Errorf("deployment %q: price: %w", d.Name, err)
	}
	u := &g.Upstream
	switch {
	case d.External != nil:
		u.Dialect, u.Model = dialects.Of(d.External.Protocol), cmp.Or(d.External.Model, m.Name)
		u.Credential = ServerKey(u.Dialect, d.External.APIKey)
		g.Addrs = d.External.URLs
		g.Paid = g.Rates == meter.Rates{}
	case d.AzureOpenAI != nil:
		a := d.AzureOpenAI
		u.Dialect, u.Model, u.APIVersion = azureopenai.Dialect{}, cmp.Or(a.Deployment, m.Name), a.APIVersion
		c, err := k.azureOpenAI(a)
		if err != nil {
			return gateway.Deployment{}, err
		}
		u.Credential = c
		if g.Quota, err = Quota(m, a); err != nil {
			return gateway.Deployment{}, fmt.Errorf("deployment %q: azureopenai.ptu: %w", d.Name, err)
		}
		if g.Spillover, err = Spillover(m, a); err != nil {
			return gateway.Deployment{}, fmt.Errorf("deployment %q: azureopenai.spillover: %w", d.Name, err)
		}
		g.Paid = a.PTU > 0
		g.Addrs = []string{a.Endpoint}
		g.NoStreamUsage = !azureopenai.StreamsUsage(a.APIVersion)
	default:
		g.Paid = true
		o, _ := ownOf(d)
		u.Dialect, u.Model = dialects.Of(o.Protocol), cmp.Or(o.Model, m.Name)
		u.Credential = ServerKey(u.Dialect, o.APIKey)
		if d.AzureML != nil {
			if err := mlUpstream(u, k.account, d); err != nil {
				return gateway.Deployment{}, err
			}
		}
	}
	g.Canary, g.Mirror = Canary(d, u.Model, g.Addrs), mirror(d)
	return g, nil
}

// ServerKey is how a server of a protocol takes a key; nil: no key.
func ServerKey(d upstream.Dialect, key config.Secret) upstream.Credential {
	if !key.Set() {
		return nil
	}
	h := d.Key(key.Reveal())
	return upstream.StaticKey(h.Name, h.Value)
}

// AzureCredential is the api-key of a resource, or an Entra ID identity.
func AzureCredential(a *config.AzureOpenAI) (upstream.Credential, error) {
	if a.APIKey.Set() {
		return upstream.StaticKey("api-key", a.APIKey.Reveal()), nil
	}
	return upstream.Entra(upstream.EntraOptions{Identity: a.Entra, ClientID: a.ClientID})
}

func affinity(by string) gateway.Affinity {
	switch by {
	case "session":
		return gateway.BySession
	case "key":
		return gateway.ByKey
	case "prefix":
		return gateway.ByPrefix
	}
	return gateway.NoAffinity
}

func class(name string) weir.Class {
	if name == weir.Batch.String() {
		return weir.Batch
	}
	return weir.Interactive
}
