package kubernetes

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// meets says whether a node meets one of the terms of a required node affinity.
// Without terms every node does; a term without requirements is met by none.
func meets(n *corev1.Node, terms []corev1.NodeSelectorTerm) bool {
	return len(terms) == 0 || slices.ContainsFunc(terms, func(t corev1.NodeSelectorTerm) bool {
		return len(t.MatchExpressions)+len(t.MatchFields) > 0 &&
			all(t.MatchExpressions, n.Labels) &&
			all(t.MatchFields, labels.Set{"metadata.name": n.Name}) // the only field there is
	})
}

var operators = map[corev1.NodeSelectorOperator]selection.Operator{
	corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
	corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
	corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
}

func all(rs []corev1.NodeSelectorRequirement, of labels.Set) bool {
	for _, r := range rs {
		want, err := labels.NewRequirement(r.Key, operators[r.Operator], r.Values)
		if err != nil || !want.Matches(of) {
			return false
		}
	}
	return true
}
