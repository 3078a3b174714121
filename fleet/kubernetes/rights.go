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
}

var reviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// rights names what Weir may not do and must (lacks), and what it may not do
// and can do without (weaker); "": nothing.
func (c *cluster) rights(ctx context.Context, t *target) (lacks, weaker string, err error) {
	r, ns := t.resource, t.d.Namespace
	must := []right{
		{r.Group, r.Resource, "", ns, []string{"get", "list", "watch"}},
		{r.Group, r.Resource, "scale", ns, []string{"get"}},
		{"", "pods", "", ns, []string{"list", "watch"}},
	}
	may := []right{
		{"", "nodes", "", "", []string{"list", "watch"}},
		{"", "pods", "", "", []string{"list"}},
		{"", "events", "", ns, []string{"list"}},
		{"", "resourcequotas", "", ns, []string{"list"}},
	}
	if !t.d.ScaledElsewhere {
		must[1].verbs = append(must[1].verbs, "update")
		must[2].verbs = append(must[2].verbs, "patch")
		for _, s := range scalers {
			may = append(may, right{s.resource.Group, s.resource.Resource, "", ns, []string{"list"}})
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
			all = append(all, right{"resource.k8s.io", resource, "", "", []string{"list"}})
		}
		all = append(all, right{"resource.k8s.io", "resourceclaimtemplates", "", namespace, []string{"get"}})
	}
	if s.provision != "" {
		all = append(all, right{"autoscaling.x-k8s.io", "provisioningrequests", "", namespace, []string{"get"}})
	}
	return all
}

// leaseRights says what Weir may not do with its lease.
func (c *cluster) leaseRights(ctx context.Context, o Options) error {
	ns := cmp.Or(o.LeaseNamespace, c.namespace)
	lacks, err := c.missing(ctx, []right{{leases.Group, leases.Resource, "", ns, []string{"get", "create", "update"}}})
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
