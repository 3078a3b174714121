package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// right is what Weir does with a resource.
type right struct {
	group, resource, sub, namespace string
	verbs                           []string
	object                          string // the only one it does that with; "": any
}

var reviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// rights names what Weir may not do and must (lacks), and what it may not do
// and can do without (weaker); "": nothing.
func (c *cluster) rights(ctx context.Context, t *target) (lacks, weaker string, err error) {
	r, ns := t.resource, t.d.Namespace
	must := []right{
		{group: r.Group, resource: r.Resource, namespace: ns, verbs: []string{"get", "list", "watch"}},
		{group: r.Group, resource: r.Resource, sub: "scale", namespace: ns, verbs: []string{"get"}},
		{resource: "pods", namespace: ns, verbs: []string{"list", "watch"}},
	}
	may := []right{
		{resource: "nodes", verbs: []string{"list", "watch"}},
		{resource: "pods", verbs: []string{"list"}},
		{resource: "events", namespace: ns, verbs: []string{"list", "create"}},
		{resource: "resourcequotas", namespace: ns, verbs: []string{"list"}},
	}
	if !t.d.ScaledElsewhere {
		must[1].verbs = append(must[1].verbs, "update")
		must[2].verbs = append(must[2].verbs, "patch")
		for _, s := range scalers {
			may = append(may, right{group: s.resource.Group, resource: s.resource.Resource, namespace: ns, verbs: []string{"list"}})
		}
	}
	if lacks, err = c.missing(ctx, must); err == nil {
		weaker, err = c.missing(ctx, may)
	}
	return lacks, weaker, err
}

// rights are those without which what the shape's pods need is not counted.
func (s shape) rights(namespace string) []right {
	var all []right
	if len(s.claims) > 0 {
		for _, resource := range []string{"deviceclasses", "resourceslices", "resourceclaims"} {
			all = append(all, right{group: "resource.k8s.io", resource: resource, verbs: []string{"list"}})
		}
		all = append(all, right{group: "resource.k8s.io", resource: "resourceclaimtemplates", namespace: namespace, verbs: []string{"get"}})
	}
	if s.provision != "" {
		all = append(all, right{group: "autoscaling.x-k8s.io", resource: "provisioningrequests", namespace: namespace, verbs: []string{"get"}})
	}
	return all
}

// leaseRights says what Weir may not do with its lease. A right to create cannot be
// limited to a name: the API server does not know it yet.
func (c *cluster) leaseRights(ctx context.Context, o Options) error {
	ns := cmp.Or(o.LeaseNamespace, c.namespace)
	lacks, err := c.missing(ctx, []right{
		{group: leases.Group, resource: leases.Resource, namespace: ns, verbs: []string{"create"}},
		{group: leases.Group, resource: leases.Resource, namespace: ns, verbs: []string{"get", "update"}, object: o.Lease},
	})
	if err == nil && lacks != "" {
		err = fmt.Errorf("kubernetes: Weir may not %s: by Lease %s, gateways without a common store agree on the one that scales; grant it, or give kubernetes.namespace another namespace", lacks, o.Lease)
	}
	return err
}

// missing asks for each verb, and lists those refused.
func (c *cluster) missing(ctx context.Context, rights []right) (string, error) {
	var all []string
	for _, r := range rights {
		var verbs []string
		for _, verb := range r.verbs {
			ok, err := c.may(ctx, r, verb)
			if err != nil {
				return "", err
			}
			if !ok {
				verbs = append(verbs, verb)
			}
		}
		if len(verbs) > 0 {
			all = append(all, sentence(verbs)+" "+r.name())
		}
	}
	return sentence(all), nil
}

// name is the resource as in a Role, with its namespace: deployments/scale.apps
// in models.
func (r right) name() string {
	text := r.resource
	if r.sub != "" {
		text += "/" + r.sub
	}
	if r.group != "" {
		text += "." + r.group
	}
	if r.object != "" {
		text += " " + r.object
	}
	if r.namespace != "" {
		text += " in " + r.namespace
	}
	return text
}

// question is one right with one verb. Most workloads ask the same.
type question struct{ resource, verb string }

func (c *cluster) may(ctx context.Context, r right, verb string) (bool, error) {
	q := question{r.name(), verb}
	if ok, asked := c.granted[q]; asked {
		return ok, nil
	}
	ok, err := c.review(ctx, r, verb)
	if err == nil && c.granted != nil {
		c.granted[q] = ok
	}
	return ok, err
}

func (c *cluster) review(ctx context.Context, r right, verb string) (bool, error) {
	ask := map[string]any{"verb": verb, "group": r.group, "resource": r.resource}
	if r.sub != "" {
		ask["subresource"] = r.sub
	}
	if r.object != "" {
		ask["name"] = r.object
	}
	if r.namespace != "" {
		ask["namespace"] = r.namespace
	}
	o, err := c.objects.Resource(reviews).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": reviews.GroupVersion().String(), "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": ask},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("kubernetes: whether Weir may %s %s: %w", verb, strings.TrimSpace(r.name()), err)
	}
	allowed, _, err := unstructured.NestedBool(o.Object, "status", "allowed")
	return allowed, err
}
