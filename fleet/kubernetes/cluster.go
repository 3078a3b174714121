package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-logr/logr"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// cluster is the access to one cluster. Its clients share their connections.
// The scale subresource goes through the dynamic client: the library's own
// scale client, through its discovery, would link every kind Kubernetes has.
type cluster struct {
	namespace string // that Weir runs in, or that of the context
	objects   *dynamic.DynamicClient
	urgent    *dynamic.DynamicClient // for the lease: it never waits behind other requests
	core      *rest.RESTClient       // pods, nodes, quotas, events
	log       logr.Logger
	granted   map[question]bool // what Examine has asked of Weir's rights; nil outside of it
}

// Limits for requests to one API server, per second and at once. Calls for 50
// workloads that change at once stay below them.
const (
	requestsPerSecond = 50
	requestsAtOnce    = 100
)

// connect reads the cluster's address and Weir's credentials for it. A negative
// perSecond is no limit.
func connect(o Options, perSecond float32, atOnce int) (*cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	access := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	c, err := access.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: no access to a cluster: %w", err)
	}
	c.QPS, c.Burst, c.UserAgent = perSecond, atOnce, Manager
	c.WarningHandlerWithContext = rest.NoWarnings{}
	h, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	k := &cluster{log: logr.FromSlogHandler(quiet{o.Log.Handler()})}
	if k.namespace, _, err = access.Namespace(); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if k.objects, err = dynamic.NewForConfigAndClient(c, h); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	urgent := rest.CopyConfig(c)
	urgent.QPS = -1
	if k.urgent, err = dynamic.NewForConfigAndClient(urgent, h); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	if err = corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	core := rest.CopyConfig(c)
	core.GroupVersion, core.APIPath = &corev1.SchemeGroupVersion, "/api"
	core.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	if k.core, err = rest.RESTClientForConfigAndClient(core, h); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return k, nil
}

// quiet lowers the client library's log to debug. This package logs what
// matters of it.
type quiet struct{ slog.Handler }

func (h quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

func (h quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, r)
}

func (h quiet) WithAttrs(as []slog.Attr) slog.Handler { return quiet{h.Handler.WithAttrs(as)} }
func (h quiet) WithGroup(name string) slog.Handler    { return quiet{h.Handler.WithGroup(name)} }

// target is a workload as the API server knows it.
type target struct {
	d        Deployment
	resource schema.GroupVersionResource
	object   dynamic.ResourceInterface
}

// find looks up the kind of the deployment's workload, and checks that it can
// be scaled.
func (c *cluster) find(ctx context.Context, d Deployment) (*target, error) {
	gv, err := schema.ParseGroupVersion(d.APIVersion)
	if err != nil {
		return nil, d.fault("apiVersion: %w", err)
	}
	path := "/apis/" + d.APIVersion
	if gv.Group == "" {
		path = "/api/" + d.APIVersion
	}
	raw, err := c.core.Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return nil, d.fault("the cluster does not say what %s has: %w", d.APIVersion, err)
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, d.fault("what the cluster says of %s: %w", d.APIVersion, err)
	}
	plural, scales := "", map[string]bool{}
	for _, r := range list.APIResources {
		if name, sub, ok := strings.Cut(r.Name, "/"); ok && sub == "scale" {
			scales[name] = true
		} else if !ok && r.Kind == d.Kind {
			plural = r.Name
		}
	}
	switch {
	case plural == "":
		return nil, d.fault("the cluster has no kind %s in %s", d.Kind, d.APIVersion)
	case !scales[plural]:
		return nil, d.fault("%s %s has no scale subresource: name the Deployment or StatefulSet that runs its pods", d.APIVersion, d.Kind)
	}
	resource := gv.WithResource(plural)
	return &target{d: d, resource: resource, object: c.objects.Resource(resource).Namespace(d.Namespace)}, nil
}

func (t *target) read(ctx context.Context) (*autoscalingv1.Scale, error) {
	o, err := t.object.Get(ctx, t.d.Object, metav1.GetOptions{}, "scale")
	if err != nil {
		return nil, t.d.fault("scale of %s: %w", t.d.target(), err)
	}
	return t.scale(o)
}

func (t *target) scale(o *unstructured.Unstructured) (*autoscalingv1.Scale, error) {
	var s autoscalingv1.Scale
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &s); err != nil {
		return nil, t.d.fault("scale of %s: %w", t.d.target(), err)
	}
	return &s, nil
}

// put writes the number under the resource version that s was read with; it is
// a conflict if another client wrote in between.
func (t *target) put(ctx context.Context, s *autoscalingv1.Scale, n int) (*autoscalingv1.Scale, error) {
	next := s.DeepCopy()
	next.Spec.Replicas = int32(n)
	o, err := runtime.DefaultUnstructuredConverter.ToUnstructured(next)
	if err != nil {
		return nil, err
	}
	u, err := t.object.Update(ctx, &unstructured.Unstructured{Object: o}, metav1.UpdateOptions{FieldManager: Manager}, "scale")
	if err != nil {
		return nil, err
	}
	return t.scale(u)
}

func (t *target) get(ctx context.Context) (*unstructured.Unstructured, error) {
	o, err := t.object.Get(ctx, t.d.Object, metav1.GetOptions{})
	if err != nil {
		return nil, t.d.fault("%s: %w", t.d.target(), err)
	}
	return o, nil
}

// annotate sets annotations of a pod, and returns it with them; a nil value
// removes one.
func (c *cluster) annotate(ctx context.Context, namespace, pod string, uid types.UID, set map[string]*string) (*corev1.Pod, error) {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid, "annotations": set}})
	if err != nil {
		return nil, err
	}
	var p corev1.Pod
	err = c.core.Patch(types.MergePatchType).Namespace(namespace).Resource("pods").Name(pod).
		Param("fieldManager", Manager).Body(body).Do(ctx).Into(&p)
	return &p, err
}
