package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

var _ cache.ReflectorStore = (*nodes)(nil)

// nodes is the store of a reflector: the cluster's nodes, if Weir may see them.
type nodes struct {
	mu     sync.Mutex
	by     map[string]*corev1.Node
	listed bool
	others map[string]listing // by node
	denied time.Time          // when Weir last was not allowed to list pods
}

func newNodes() *nodes {
	return &nodes{by: map[string]*corev1.Node{}, others: map[string]listing{}}
}

func (s *nodes) follow(ctx context.Context, c *cluster) {
	c.reflect(ctx, listWatch(c.core, "nodes", metav1.NamespaceAll, func(*metav1.ListOptions) {}), &corev1.Node{}, s)
}

func (s *nodes) Add(o any) error    { return s.change(o, false) }
func (s *nodes) Update(o any) error { return s.change(o, false) }
func (s *nodes) Delete(o any) error { return s.change(o, true) }
func (s *nodes) Resync() error      { return nil }

func (s *nodes) change(o any, gone bool) error {
	n, ok := o.(*corev1.Node)
	if !ok {
		return fmt.Errorf("kubernetes: a node was expected, this is %T", o)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		delete(s.by, n.Name)
		delete(s.others, n.Name)
		return nil
	}
	n.ManagedFields, n.Status.Images = nil, nil
	s.by[n.Name] = n
	return nil
}

func (s *nodes) Replace(all []any, _ string) error {
	s.mu.Lock()
	clear(s.by)
	s.listed = true
	s.mu.Unlock()
	for _, o := range all {
		if err := s.change(o, false); err != nil {
			return err
		}
	}
	return nil
}

// taking is the devices a pod of Weir's holds, and its node.
type taking struct {
	node string
	own  bool // belongs to the workload in question
	asks corev1.ResourceList
}

// room is how many replicas of the shape the nodes hold, existing ones
// included, if the pool grows to at most nodesMax nodes (0: it does not grow);
// -1: unknown. by is the devices that are claimed; nil: none.
func (s *nodes) room(sh shape, held []taking, by *stock, nodesMax int) (most int, why string) {
	if by != nil {
		sh = sh.less(by.offers)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listed || len(sh.devices()) == 0 && (by == nil || len(by.wants) == 0) {
		return -1, ""
	}
	pods, fitting, cordoned, perNode, foreign := 0, 0, 0, 0, 0
	for name, n := range s.by {
		if !sh.takes(n) {
			if n.Spec.Unschedulable && sh.suits(n) {
				cordoned++ // its pool has one node less to grow by
			}
			for _, t := range held {
				if t.own && t.node == name {
					pods++ // it holds its devices all the same
				}
			}
			continue
		}
		fitting++
		whole, free := s.fit(sh, n, held, by)
		perNode = max(perNode, whole)
		pods += free
		foreign += whole - free
	}
	coming := max(0, nodesMax-fitting-cordoned)
	pods += coming * max(1, perNode)
	devices := sh.String()
	if by != nil {
		devices = strings.TrimPrefix(devices+", "+by.String(), ", ")
	}
	why = fmt.Sprintf("%d nodes take it, with room for %d of its pods (%s)", fitting+coming, pods, devices)
	if foreign > 0 {
		why += fmt.Sprintf("; other pods hold the room of %d", foreign)
	}
	return pods / sh.pods, why
}

// absent are the devices of a shape that no node which takes it has.
func (s *nodes) absent(sh shape) corev1.ResourceList {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := devicesIn(sh.asks)
	for _, n := range s.by {
		if !sh.takes(n) {
			continue
		}
		for name := range out {
			if _, has := n.Status.Allocatable[name]; has {
				delete(out, name)
			}
		}
	}
	return out
}

// fit is how many pods a node holds, empty and beside the pods of others. The
// lock is held.
func (s *nodes) fit(sh shape, n *corev1.Node, held []taking, by *stock) (whole, free int) {
	left := n.Status.Allocatable.DeepCopy()
	for _, t := range held {
		if t.node == n.Name && !t.own {
			take(left, t.asks)
		}
	}
	take(left, s.others[n.Name].asks)
	whole, free = sh.fit(n.Status.Allocatable), sh.fit(left)
	if by == nil || len(by.wants) == 0 {
		return whole, free
	}
	claims := by.by[n.Name]
	if whole < 0 { // it asks for no other devices
		return claims.whole, claims.free
	}
	return min(whole, claims.whole), min(free, claims.free)
}

func take(from, what corev1.ResourceList) {
	for name, q := range what {
		if have, ok := from[name]; ok {
			have.Sub(q)
			from[name] = have
		}
	}
}
