package arm

import (
	"net/http"
	"slices"

	"weir/emulate"
)

// kinds are the emulated types of resources, by lower-case name.
func kinds() map[string]*kind {
	all := map[string]*kind{}
	for _, k := range []*kind{workspaceKind(), endpointKind(), deploymentKind(), accountKind(), openAIKind(), groupKind(), clusterKind(), poolKind(), autoscaleKind(),
		batchKind(), batchDeploymentKind(), jobKind()} {
		all[lower(k.typ)] = k
	}
	return all
}

// given makes what is there from the start: a workspace, an account, a cluster.
func (c *Cloud) given() {
	c.make("Microsoft.MachineLearningServices/workspaces", c.o.Workspace, object{"location": c.o.Location, "properties": object{"friendlyName": c.o.Workspace}})
	account := c.make("Microsoft.CognitiveServices/accounts", c.o.Account, object{"location": c.o.Location, "kind": "OpenAI", "sku": object{"name": "S0"}})
	c.make(clusterType, c.o.Cluster, object{"location": c.o.Location, "properties": object{"agentPoolProfiles": []any{
		object{"name": "system", "mode": "System", "count": float64(1), "vmSize": "Standard_DS2_v2"}}}})
	if c.o.OpenAI == nil {
		return
	}
	account.openai = c.o.OpenAI
	copy(account.keys[:], c.o.OpenAI.Keys())
	for _, d := range c.o.OpenAI.Deployments() {
		id := account.id
		id.typ, id.names, id.text = openAIType, append(slices.Clone(id.names), d.Name), id.text+"/deployments/"+d.Name
		c.makeAt(id, openAIBody(d))
	}
}

// make adds a resource below the group that is ready at once.
func (c *Cloud) make(typ, name string, body object) *resource {
	id, _ := parseID(c.addressOf(typ, name))
	return c.makeAt(id, body)
}

func (c *Cloud) makeAt(id rid, body object) *resource {
	r, _ := c.start(&change{method: http.MethodPut, id: id, kind: c.kinds[lower(id.typ)], body: body, now: c.clock.now(), given: true}, outcome{})
	return r
}

// openAIBody is a deployment of the data plane as Resource Manager shows it.
func openAIBody(d emulate.AzureDeployment) object {
	n := d.PTU
	if n == 0 {
		n = max(1, d.TPM/1000)
	}
	p := object{"model": object{"format": "OpenAI", "name": d.Model, "version": "emulated"}}
	if d.Spillover != "" {
		p["spilloverDeploymentName"] = d.Spillover
	}
	return object{"sku": object{"name": d.SKU, "capacity": float64(n)}, "properties": p}
}

// workspaceKind is made and removed at once: Weir only reads it.
func workspaceKind() *kind {
	return &kind{typ: "Microsoft.MachineLearningServices/workspaces"}
}
