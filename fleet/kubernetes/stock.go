package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// drivers are those whose devices are wanted; one "" where a want names none.
func (s *stock) drivers() []string {
	names := map[string]bool{}
	for _, w := range s.wants {
		driver := driverOf(w.Selectors)
		if driver == "" {
			return []string{""}
		}
		names[driver] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// stock adds the devices of slices that suit a want. Of a pool, only slices of
// its latest generation count. Devices that are not on one node are left out.
func (s *stock) stock(all []resourceSlice) {
	latest := map[string]int64{}
	for _, x := range all {
		pool := x.Spec.Driver + "/" + x.Spec.Pool.Name
		latest[pool] = max(latest[pool], x.Spec.Pool.Generation)
	}
	for _, x := range all {
		if x.Spec.Pool.Generation < latest[x.Spec.Driver+"/"+x.Spec.Pool.Name] {
			continue
		}
		for _, d := range x.Spec.Devices {
			d.driver, d.pool = x.Spec.Driver, x.Spec.Pool.Name
			if d.NodeName == "" {
				d.NodeName = x.Spec.NodeName
			}
			if slices.ContainsFunc(s.wants, func(w want) bool { return w.takes(&d) }) {
				s.devices = append(s.devices, d)
			}
		}
	}
}

func (w *want) takes(d *device) bool { return (w.Tolerates || !d.tainted()) && d.suits(w.Selectors) }

// take notes the devices that pods of others have.
func (s *stock) take(claims []resourceClaim, own map[types.UID]bool) {
	for _, c := range claims {
		if len(c.Status.ReservedFor) > 0 && own[c.Status.ReservedFor[0].UID] {
			continue
		}
		for _, r := range c.Status.Allocation.Devices.Results {
			if !r.AdminAccess {
				s.taken[r.Driver+"/"+r.Pool+"/"+r.Device] = true
			}
		}
	}
}

// count works out how many pods the devices of each node hold.
func (s *stock) count() {
	on := map[string][]*device{}
	for i := range s.devices {
		d := &s.devices[i]
		on[d.NodeName] = append(on[d.NodeName], d)
	}
	s.by = map[string]fits{}
	for node, ds := range on {
		s.by[node] = fits{
			whole: s.holds(ds),
			free:  s.holds(slices.DeleteFunc(slices.Clone(ds), func(d *device) bool { return s.taken[d.id()] })),
		}
	}
}

// holds is how many pods have their wants from the devices. Two wants may suit
// one device: all of a pod's together need as many.
func (s *stock) holds(ds []*device) int {
	most, total := len(ds), 0
	for i := range s.wants {
		w, n := &s.wants[i], 0
		for _, d := range ds {
			if w.takes(d) {
				n++
			}
		}
		most = min(most, n/w.Count)
		total += w.Count
	}
	return min(most, len(ds)/max(1, total))
}

func (s *stock) String() string {
	var parts []string
	for _, w := range s.wants {
		parts = append(parts, fmt.Sprintf("%d of class %s each", w.Count, w.Class))
	}
	return strings.Join(parts, ", ")
}
