package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir/fleet"
)

// consumes are the annotations by which pods say whose capacity they use. The
// cluster autoscaler starts no node for such pods by themselves
// (cluster-autoscaler/apis/provisioningrequest/autoscaling.x-k8s.io/v1).
var consumes = []string{
	"autoscaling.x-k8s.io/consume-provisioning-request",
	"cluster-autoscaler.kubernetes.io/consume-provisioning-request",
}

// provisionOf is the ProvisioningRequest that the pods of a template use, or "".
func provisionOf(t *corev1.PodTemplateSpec) string {
	for _, key := range consumes {
		if name := t.Annotations[key]; name != "" {
			return name
		}
	}
	return ""
}

// provision reads the ProvisioningRequest of the workload's pods. It returns why
// no further pod would get a node; no word: it bounds nothing, or Weir may not
// read it. Weir creates none: what is requested cannot be changed, and its name is
// in the pod template, so that a request for each number would replace all pods.
func (c *cluster) provision(ctx context.Context, namespace, name string) (reason, error) {
	if name == "" {
		return reason{}, nil
	}
	raw, err := c.core.Get().AbsPath("/apis/autoscaling.x-k8s.io/v1/namespaces", namespace, "provisioningrequests", name).
		SetHeader("Accept", "application/json").DoRaw(ctx)
	if without(err) {
		return reason{}, nil
	}
	if err != nil {
		return reason{}, err
	}
	var r struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return reason{}, fmt.Errorf("ProvisioningRequest %s: %w", name, err)
	}
	return granted(name, r.Status.Conditions), nil
}

// granted says why a ProvisioningRequest gives no nodes; no word: it has given
// them. Once provisioned, its nodes are nodes like others, also when the booking
// has expired.
func granted(name string, conditions []metav1.Condition) reason {
	why := reason{fleet.WhyProvisioning, fmt.Sprintf("ProvisioningRequest %s has no answer yet", name)}
	yes := false
	for _, c := range conditions {
		is := c.Status == metav1.ConditionTrue
		text := fmt.Sprintf("ProvisioningRequest %s: %s %s: %s", name, c.Type, c.Reason, c.Message)
		switch {
		case is && (c.Type == "Failed" || c.Type == "CapacityRevoked"):
			return reason{fleet.WhyNoNode, text}
		case c.Type == "Provisioned" && is:
			yes = true
		case c.Type == "Provisioned":
			why.text = text
		}
	}
	if yes {
		return reason{}
	}
	return why
}
