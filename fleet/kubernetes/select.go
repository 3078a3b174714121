package kubernetes

import (
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// device is one that a driver offers in a ResourceSlice.
type device struct {
	Name       string `json:"name"`
	NodeName   string `json:"nodeName"`
	Attributes map[string]struct {
		Int     *int64  `json:"int"`
		Bool    *bool   `json:"bool"`
		String  *string `json:"string"`
		Version *string `json:"version"`
	} `json:"attributes"`
	Capacity map[string]struct {
		Value resource.Quantity `json:"value"`
	} `json:"capacity"`
	Taints []struct {
		Effect string `json:"effect"`
	} `json:"taints"`

	driver, pool string
}

// id names the device in the cluster.
func (d *device) id() string { return d.driver + "/" + d.pool + "/" + d.Name }

// tainted says that only a claim that tolerates it may have the device.
func (d *device) tainted() bool {
	for _, t := range d.Taints {
		if t.Effect == "NoSchedule" || t.Effect == "NoExecute" {
			return true
		}
	}
	return false
}

// The terms of a selector that Weir reads. Selectors are CEL; these forms are
// what device classes and claims are made of, joined by &&. Any other term is
// taken to hold: a device too many is counted, never one too few, and the
// scheduler has the last word.
var (
	driverTerm    = regexp.MustCompile(`^device\.driver\s*==\s*(?:"([^"]*)"|'([^']*)')$`)
	attributeTerm = regexp.MustCompile(`^device\.attributes\[(?:"([^"]*)"|'([^']*)')\]\.(\w+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|(true|false|-?\d+))$`)
	capacityTerm  = regexp.MustCompile(`^device\.capacity\[(?:"([^"]*)"|'([^']*)')\]\.(\w+)\.compareTo\(quantity\((?:"([^"]*)"|'([^']*)')\)\)\s*(==|>=|>|<=|<)\s*0$`)
)

// driverOf is the driver that a selector names, or "".
func driverOf(selectors []string) string {
	for _, s := range selectors {
		for _, t := range termsOf(s) {
			if m := driverTerm.FindStringSubmatch(t); m != nil {
				return m[1] + m[2]
			}
		}
	}
	return ""
}

// termsOf are the terms of a selector that is a chain of &&; none of another.
// What stands in brackets is one term.
func termsOf(selector string) []string {
	var terms []string
	depth, from := 0, 0
	for i, c := range selector {
		switch {
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case depth > 0:
		case c == '|' || c == '?':
			return nil
		case strings.HasPrefix(selector[i:], "&&"):
			terms = append(terms, strings.TrimSpace(selector[from:i]))
			from = i + 2
		}
	}
	return append(terms, strings.TrimSpace(selector[from:]))
}

// suits says whether the device meets the selectors, as far as Weir reads them.
func (d *device) suits(selectors []string) bool {
	for _, s := range selectors {
		for _, t := range termsOf(s) {
			if !d.holds(t) {
				return false
			}
		}
	}
	return true
}

func (d *device) holds(term string) bool {
	if m := driverTerm.FindStringSubmatch(term); m != nil {
		return d.driver == m[1]+m[2]
	}
	if m := attributeTerm.FindStringSubmatch(term); m != nil {
		have, is := d.attribute(m[1]+m[2], m[3])
		return is == listed || is == single && (have == m[5]+m[6]+m[7]) == (m[4] == "==")
	}
	if m := capacityTerm.FindStringSubmatch(term); m != nil {
		return d.holdsCapacity(m[1]+m[2], m[3], m[4]+m[5], m[6])
	}
	return true
}

// What an attribute is: not there, a single value, or of a kind Weir does not
// compare.
const (
	missing = iota
	single
	listed
)

// attribute is a device's attribute as text. Names without a domain are in the
// driver's.
func (d *device) attribute(domain, name string) (text string, is int) {
	a, ok := d.Attributes[domain+"/"+name]
	if !ok && domain == d.driver {
		a, ok = d.Attributes[name]
	}
	switch {
	case !ok:
		return "", missing
	case a.String != nil:
		return *a.String, single
	case a.Version != nil:
		return *a.Version, single
	case a.Bool != nil:
		return strconv.FormatBool(*a.Bool), single
	case a.Int != nil:
		return strconv.FormatInt(*a.Int, 10), single
	}
	return "", listed
}

func (d *device) holdsCapacity(domain, name, than, op string) bool {
	c, ok := d.Capacity[domain+"/"+name]
	if !ok && domain == d.driver {
		c, ok = d.Capacity[name]
	}
	want, err := resource.ParseQuantity(than)
	if !ok || err != nil {
		return false
	}
	switch n := c.Value.Cmp(want); op {
	case ">=":
		return n >= 0
	case ">":
		return n > 0
	case "<=":
		return n <= 0
	case "<":
		return n < 0
	default:
		return n == 0
	}
}
