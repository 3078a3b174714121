package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// draGroup is the API of devices by claim (dynamic resource allocation), stable
// since Kubernetes 1.34.
const draGroup = "/apis/resource.k8s.io/v1"

// want is devices of one kind that each pod of a workload claims.
type want struct {
	Class     string
	Count     int
	Selectors []string // the class's and the claim's own
	Tolerates bool
}

// stock is the devices that a workload's pods claim.
type stock struct {
	wants   []want
	devices []device            // those that suit a want
	taken   map[string]bool     // by claims of pods that are not the workload's own
	by      map[string]fits     // how many pods they hold, by node
	offers  corev1.ResourceList // requested as a node's devices, and given from a class
}

// fits is how many pods a node holds: empty, and beside what others have.
type fits struct{ whole, free int }

// claimed is a request in a claim's specification.
type claimed struct {
	Exactly        *requested  `json:"exactly"`
	FirstAvailable []requested `json:"firstAvailable"`
}

type requested struct {
	DeviceClassName string `json:"deviceClassName"`
	Selectors       []cel  `json:"selectors"`
	AllocationMode  string `json:"allocationMode"`
	Count           int    `json:"count"`
	AdminAccess     bool   `json:"adminAccess"`
	Tolerations     []any  `json:"tolerations"`
}

type cel struct {
	CEL struct {
		Expression string `json:"expression"`
	} `json:"cel"`
}

type deviceClass struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Selectors            []cel  `json:"selectors"`
		ExtendedResourceName string `json:"extendedResourceName"`
	} `json:"spec"`
}

type resourceSlice struct {
	Spec struct {
		Driver   string   `json:"driver"`
		NodeName string   `json:"nodeName"`
		Devices  []device `json:"devices"`
		Pool     struct {
			Name       string `json:"name"`
			Generation int64  `json:"generation"`
		} `json:"pool"`
	} `json:"spec"`
}

type resourceClaim struct {
	Status struct {
		Allocation struct {
			Devices struct {
				Results []struct {
					Driver      string `json:"driver"`
					Pool        string `json:"pool"`
					Device      string `json:"device"`
					AdminAccess bool   `json:"adminAccess"`
				} `json:"results"`
			} `json:"devices"`
		} `json:"allocation"`
		ReservedFor []struct {
			UID types.UID `json:"uid"`
		} `json:"reservedFor"`
	} `json:"status"`
}

// inventory reads what the pods claim, and the devices there are of it; nil: they
// claim none, or Weir may not read it. absent are devices they request that no
// node has by itself: a class may offer them. own are the pods of the workload.
func (c *cluster) inventory(ctx context.Context, namespace string, sh shape, absent corev1.ResourceList, own map[types.UID]bool) (*stock, error) {
	if len(sh.claims)+len(absent) == 0 {
		return nil, nil
	}
	s := &stock{taken: map[string]bool{}}
	classes, err := everything[deviceClass](ctx, c, "deviceclasses", "")
	if err != nil {
		return nil, err
	}
	s.offered(absent, classes)
	for _, name := range sh.claims {
		if err := c.template(ctx, namespace, name, classes, s); err != nil {
			return nil, err
		}
	}
	for _, driver := range s.drivers() {
		slices, err := everything[resourceSlice](ctx, c, "resourceslices", driver)
		if err != nil {
			return nil, err
		}
		s.stock(slices)
	}
	claims, err := everything[resourceClaim](ctx, c, "resourceclaims", "")
	if err != nil {
		return nil, err
	}
	s.take(claims, own)
	s.count()
	return s, nil
}

// template adds the wants of a ResourceClaimTemplate.
func (c *cluster) template(ctx context.Context, namespace, name string, classes []deviceClass, s *stock) error {
	raw, err := c.core.Get().AbsPath(draGroup, "namespaces", namespace, "resourceclaimtemplates", name).DoRaw(ctx)
	if err != nil {
		return err
	}
	var t struct {
		Spec struct {
			Spec struct {
				Devices struct {
					Requests []claimed `json:"requests"`
				} `json:"devices"`
			} `json:"spec"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("ResourceClaimTemplate %s: %w", name, err)
	}
	for _, r := range t.Spec.Spec.Devices.Requests {
		// Of alternatives it is not known which will be had; all devices of a
		// node and access beside others are no number.
		if r.Exactly == nil || r.Exactly.AllocationMode == "All" || r.Exactly.AdminAccess {
			continue
		}
		s.wants = append(s.wants, r.Exactly.want(classes))
	}
	return nil
}

// classResource is the prefix of the name under which each class is offered as a
// node's device (k8s.io/api/resource/v1, ResourceDeviceClassPrefix).
const classResource = "deviceclass.resource.kubernetes.io/"

// offered adds the wants that classes meet under the name of a node's device.
func (s *stock) offered(absent corev1.ResourceList, classes []deviceClass) {
	s.offers = corev1.ResourceList{}
	for name, q := range absent {
		for _, c := range classes {
			if string(name) == c.Spec.ExtendedResourceName || string(name) == classResource+c.Metadata.Name {
				s.offers[name] = q
				s.wants = append(s.wants, want{Class: c.Metadata.Name, Count: max(1, int(q.Value())), Selectors: expressions(c.Spec.Selectors)})
				break
			}
		}
	}
}

func (r *requested) want(classes []deviceClass) want {
	w := want{Class: r.DeviceClassName, Count: max(1, r.Count), Tolerates: len(r.Tolerations) > 0}
	for _, c := range classes {
		if c.Metadata.Name == r.DeviceClassName {
			w.Selectors = expressions(c.Spec.Selectors)
		}
	}
	w.Selectors = append(w.Selectors, expressions(r.Selectors)...)
	return w
}

func expressions(all []cel) []string {
	var out []string
	for _, s := range all {
		out = append(out, s.CEL.Expression)
	}
	return out
}

// Lists of devices and claims are read by the page, at most pagesMost pages.
const (
	pageSize  = 500
	pagesMost = 20
)

var errTooMany = errors.New("there are too many to count")

// everything reads all objects of a resource of the devices' group, or those of one
// driver.
func everything[T any](ctx context.Context, c *cluster, resource, driver string) ([]T, error) {
	var all []T
	next := ""
	for range pagesMost {
		q := c.core.Get().AbsPath(draGroup, resource).Param("limit", strconv.Itoa(pageSize)).SetHeader("Accept", "application/json")
		if driver != "" {
			q = q.Param("fieldSelector", "spec.driver="+driver)
		}
		if next != "" {
			q = q.Param("continue", next)
		}
		raw, err := q.DoRaw(ctx)
		if err != nil {
			return nil, err
		}
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []T `json:"items"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return nil, fmt.Errorf("list of %s: %w", resource, err)
		}
		all = append(all, page.Items...)
		if next = page.Metadata.Continue; next == "" {
			return all, nil
		}
	}
	return nil, fmt.Errorf("list of %s: %w: more than %d", resource, errTooMany, pageSize*pagesMost)
}

// without says that Weir is to do without the answer: it may not read it, or the
// cluster does not have it.
func without(err error) bool { return forbidden(err) || apierrors.IsNotFound(err) }
