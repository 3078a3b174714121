package arm

import (
	"fmt"
	"net/http"
)

// Endpoint is a deployment of a managed online endpoint that is there from the
// start. Several of one endpoint have its name; the first has all its traffic.
type Endpoint struct {
	Name        string
	Deployment  string // default blue
	Size        string // default Standard_NC24ads_A100_v4
	Instances   int    // default 1
	Concurrency int    // requests at one instance; default 1, as Azure's
	Seconds     int    // request timeout; default 5, as Azure's
}

// giveEndpoints makes the options' endpoints, by the rules for any other.
func (c *Cloud) giveEndpoints() error {
	for _, e := range c.o.Endpoints {
		name := or(e.Deployment, "blue")
		at := c.addressOf("Microsoft.MachineLearningServices/workspaces", c.o.Workspace) + "/onlineEndpoints/" + e.Name
		ep, ok := parseID(at)
		d, fine := parseID(at + "/deployments/" + name)
		if !ok || !fine {
			return fmt.Errorf("emulate: endpoint %q, deployment %q: want names", e.Name, name)
		}
		isNew := c.resources[ep.key()] == nil
		if isNew {
			if p := c.give(ep, object{"location": c.o.Location, "properties": object{"authMode": "Key"}}); p != nil {
				return fmt.Errorf("emulate: endpoint %q: %s", e.Name, p.message)
			}
		}
		if c.resources[d.key()] != nil {
			return fmt.Errorf("emulate: endpoint %q has two deployments %q", e.Name, name)
		}
		if p := c.give(d, object{"sku": object{"name": "Default", "capacity": float64(or(e.Instances, 1))}, "properties": object{
			"endpointComputeType": "Managed", "instanceType": or(e.Size, "Standard_NC24ads_A100_v4"),
			"requestSettings": object{"maxConcurrentRequestsPerInstance": float64(or(e.Concurrency, 1)), "requestTimeout": fmt.Sprintf("PT%dS", or(e.Seconds, 5))},
		}}); p != nil {
			return fmt.Errorf("emulate: deployment %q of endpoint %q: %s", name, e.Name, p.message)
		}
		if isNew {
			child(c.resources[ep.key()].body["properties"].(object), "traffic")[name] = float64(100)
		}
	}
	return nil
}

// give makes a resource at once, if its kind's rules and the quota allow it.
func (c *Cloud) give(id rid, body object) *problem {
	ch := &change{method: http.MethodPut, id: id, kind: c.kinds[lower(id.typ)], body: body, now: c.clock.now()}
	if p := ch.kind.check(c, ch); p != nil {
		return p
	}
	if out := ch.kind.plan(c, ch); out.fail != nil {
		return out.fail
	}
	c.start(ch, outcome{})
	return nil
}
