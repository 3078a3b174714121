package kubernetes

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// object is the store of a reflector that follows the workload itself. Its pods
// outlive it: they are followed to their end, since requests are sent to them
// until they are seen to go.
type object struct {
	w     *workload
	again func() // it was gone and is there again: begin again
}

func (s *object) Add(o any) error    { return s.set(o) }
func (s *object) Update(o any) error { return s.set(o) }
func (s *object) Delete(any) error   { s.gone(); return nil }
func (s *object) Resync() error      { return nil }

func (s *object) Replace(all []any, _ string) error {
	if len(all) == 0 {
		s.gone()
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
	if s.w.trouble != nil {
		s.w.mu.Unlock()
		s.again()
		return nil
	}
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

// gone notes that the workload does not exist. One of that name that comes later
// has a number of its own.
func (s *object) gone() {
	w := s.w
	w.mu.Lock()
	err := w.d.fault("%s has been deleted", w.d.target())
	w.trouble, w.wrote, w.pending = err, -1, -1
	w.mu.Unlock()
	w.f.o.Log.Warn("the workload cannot be read", "deployment", w.d.Name, "error", err)
	wake(w.wake)
}
