package kubernetes

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// object is the store of a reflector that follows the workload itself.
type object struct {
	w        *workload
	selector string
	changed  func() // its selector has changed, or it is gone: begin again
}

func (s *object) Add(o any) error    { return s.set(o) }
func (s *object) Update(o any) error { return s.set(o) }
func (s *object) Delete(any) error   { s.changed(); return nil }
func (s *object) Resync() error      { return nil }

func (s *object) Replace(all []any, _ string) error {
	if len(all) == 0 {
		s.changed()
	}
	for _, o := range all {
		if err := s.set(o); err != nil {
			return err
		}
	}
	return nil
}

func (s *object) set(o any) error {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	s.w.mu.Lock()
	s.w.shape = shapeOf(u.Object)
	s.w.blocked = replicaFailure(u.Object)
	n, found, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
	if found && s.w.wrote >= 0 && int(n) != s.w.wrote && int(n) != s.w.pending {
		s.w.held.doubt = true // the next look reads which client wrote it
	}
	s.w.mu.Unlock()
	wake(s.w.wake)
	return nil
}
