package manifest

import (
	"errors"
	"fmt"
	"strings"

	"weir/fit"
)

// Packed makes the objects of models that share GPUs by MIG, as fit.Pack placed
// them: each model's replicas ask for a slice of its profile. layout says which
// slices each GPU must have; the driver or an operator makes them.
func Packed(gpu fit.GPU, items []fit.Item, headroom float64, from Server) (o Objects, layout []string, err error) {
	p, err := fit.Pack(gpu, items, headroom, true)
	if err != nil {
		return nil, nil, err
	}
	slice := map[string]fit.Share{}
	for i, shares := range p.GPUs {
		var on []string
		for _, s := range shares {
			slice[s.Name] = s
			on = append(on, fmt.Sprintf("%s (%s %d)", s.Slice, s.Name, s.Replica))
		}
		layout = append(layout, fmt.Sprintf("GPU %d: %s", i+1, strings.Join(on, ", ")))
	}
	names, loads := map[string]string{}, ""
	for _, it := range items {
		share, placed := slice[it.Name]
		if !placed { // no replica asked for
			continue
		}
		name := ObjectName(it.Name)
		if other, taken := names[name]; taken {
			return nil, nil, fmt.Errorf("%w: %q and %q have the same name in Kubernetes, %s: give one another name", ErrNone, other, it.Name, name)
		}
		names[name] = it.Name
		if err := OneModel(from.Weights, loads, it.Model.Name); err != nil {
			return nil, nil, err
		}
		loads = it.Model.Name
		s := from
		s.Name, s.Model, s.Setup, s.Slice = name, it.Model, it.Setup, share.Slice
		s.Setup.GPU = share.On(gpu)
		more, err := New(s)
		if errors.Is(err, ErrNotServed) && s.Setup.Utilisation == 0 { // the engine's default share leaves too little of the slice
			s.Setup.Utilisation = share.Part
			more, err = New(s)
		}
		if err != nil {
			return nil, nil, err
		}
		o = append(o, more...)
	}
	return o, layout, nil
}

// OneModel checks that a volume with weights is for one model: all workloads would
// load the same. The models are those loaded so far; "" is none.
func OneModel(weights, before, now string) error {
	if weights == "" || before == "" || before == now {
		return nil
	}
	return fmt.Errorf("%w: the volume %s has the weights of one model, and these are %s and %s: make their manifests one by one", ErrNone, weights, before, now)
}

// ObjectName makes a name of Kubernetes of a model's.
func ObjectName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, name)
	return strings.Trim(name[:min(len(name), 63)], "-")
}
