package arm

import (
	"net/http"
	"strings"
)

// kinds are the emulated types of resources, by lower-case name.
func kinds() map[string]*kind {
	all := map[string]*kind{}
	for _, k := range []*kind{workspaceKind(), endpointKind(), deploymentKind()} {
		all[lower(k.typ)] = k
	}
	return all
}

// given makes what is there from the start: a workspace.
func (c *Cloud) given() {
	c.make("Microsoft.MachineLearningServices/workspaces", c.o.Workspace, object{"location": c.o.Location, "properties": object{"friendlyName": c.o.Workspace}})
}

// make adds a resource below the group that is ready at once.
func (c *Cloud) make(typ, name string, body object) *resource {
	namespace, collection, _ := strings.Cut(typ, "/")
	id, _ := parseID("/subscriptions/" + c.o.Subscription + "/resourceGroups/" + c.o.ResourceGroup + "/providers/" + namespace + "/" + collection + "/" + name)
	r, op := c.start(&change{method: http.MethodPut, id: id, kind: c.kinds[lower(typ)], body: body, now: c.clock.now()}, outcome{})
	if op.status == "InProgress" {
		c.finish(op)
	}
	return r
}

// workspaceKind is made and removed at once: Weir only reads it.
func workspaceKind() *kind {
	return &kind{typ: "Microsoft.MachineLearningServices/workspaces"}
}
