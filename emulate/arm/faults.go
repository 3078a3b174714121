package arm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Fault is something that goes wrong, set through /emulator/faults or Inject.
// Empty conditions match everything; the first fault that matches counts.
type Fault struct {
	// Kind is what happens:
	//   stockout   new capacity of SKU in Location is not to be had: creations and increases fail as the service would
	//   refuse     a matching write is refused at once, with Status, Code, Message
	//   fail       a matching operation is accepted and fails at its end, with Code, Message
	//   hang       a matching operation does not end until the fault is removed
	//   region     Resource Manager and scoring in Location answer 503
	//   throttle   requests to Resource Manager are answered 429, with RetryAfter
	//   crash      containers of a matching deployment do not start: ResourceNotReady, with logs
	//   container  scoring requests of a matching deployment get Status from its container (424)
	Kind     string `json:"kind"`
	Location string `json:"location,omitempty"`
	SKU      string `json:"sku,omitempty"`      // size, or SKU name
	Resource string `json:"resource,omitempty"` // part of the resource's address, in any case
	Method   string `json:"method,omitempty"`   // PUT, PATCH, DELETE, or an action's name

	Status     int    `json:"status,omitempty"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message,omitempty"`
	RetryAfter string `json:"retry_after,omitempty"` // emulated time, as 30s
	Times      int    `json:"times,omitempty"`       // how often; 0: until it is removed
}

// maxFaults bounds the list.
const maxFaults = 100

var faultKinds = []string{"stockout", "refuse", "fail", "hang", "region", "throttle", "crash", "container"}

func (f *Fault) validate() error {
	known := false
	for _, k := range faultKinds {
		known = known || k == f.Kind
	}
	if !known {
		return fmt.Errorf("kind %q: want one of %s", f.Kind, strings.Join(faultKinds, ", "))
	}
	if d, err := f.wait(); err != nil || d <= 0 {
		return fmt.Errorf("retry_after %q: want a time above zero, as 30s", f.RetryAfter)
	}
	switch {
	case f.Kind == "throttle" && (f.Location != "" || f.SKU != ""):
		return errors.New("a throttle is of the whole subscription: want no location and no sku")
	case f.Kind == "region" && (f.SKU != "" || f.Resource != "" || f.Method != ""):
		return errors.New("a region is lost as a whole: want no sku, resource or method")
	case f.Kind == "hang" && f.Times > 0:
		return errors.New("a hang lasts until it is removed: want no times")
	}
	if f.Status != 0 && (f.Status < 400 || f.Status > 599) || f.Times < 0 {
		return fmt.Errorf("status %d, times %d: want 400 to 599, and no negative number", f.Status, f.Times)
	}
	return nil
}

func (f *Fault) wait() (time.Duration, error) {
	if f.RetryAfter == "" {
		return 30 * time.Second, nil
	}
	return time.ParseDuration(f.RetryAfter)
}

// Inject replaces the list of faults. Operations that hang by a fault that is
// gone end now.
func (c *Cloud) Inject(list ...Fault) error {
	if len(list) > maxFaults {
		return fmt.Errorf("emulate: %d faults: want at most %d", len(list), maxFaults)
	}
	next := make([]*Fault, len(list))
	for i := range list {
		f := list[i]
		if err := f.validate(); err != nil {
			return fmt.Errorf("emulate: fault %d: %w", i+1, err)
		}
		next[i] = &f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.settle()
	c.faults = next
	for _, op := range c.active {
		if op.hangs && c.faultOf("hang", op.change, false) == nil {
			op.hangs = false
			op.ends = later(op.ends, now)
		}
	}
	c.settle()
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// fault finds and uses up a fault of a kind.
func (c *Cloud) fault(kind, location, sku, resource, method string, use bool) *Fault {
	for i, f := range c.faults {
		if f.Kind != kind || f.Location != "" && place(f.Location) != location || f.SKU != "" && !strings.EqualFold(f.SKU, sku) ||
			f.Resource != "" && !strings.Contains(lower(resource), lower(f.Resource)) || f.Method != "" && !strings.EqualFold(f.Method, method) {
			continue
		}
		if use && f.Times > 0 {
			if f.Times--; f.Times == 0 {
				c.faults = append(c.faults[:i:i], c.faults[i+1:]...)
			}
		}
		return f
	}
	return nil
}

func (c *Cloud) faultOf(kind string, ch *change, use bool) *Fault {
	body := ch.body
	if body == nil {
		body = ch.before
	}
	return c.fault(kind, c.location(ch.id, body), skuOf(body), ch.id.text, ch.method, use)
}

// skuOf is the size or the SKU of a resource.
func skuOf(body object) string {
	for _, path := range [][]string{{"properties", "instanceType"}, {"properties", "vmSize"}, {"sku", "name"}} {
		if s := textAt(body, path...); s != "" && s != "Default" {
			return s
		}
	}
	return ""
}

// refusal is a write refused by a fault.
func (c *Cloud) refusal(ch *change) *problem {
	f := c.faultOf("refuse", ch, true)
	if f == nil {
		return nil
	}
	p := refuse(or(f.Status, http.StatusConflict), or(f.Code, "Conflict"), or(f.Message, "refused by the emulator"))
	if f.RetryAfter != "" {
		p.after, _ = f.wait()
	}
	return p
}

// inject lets an operation hang, and one that would not fail anyway fail.
func (c *Cloud) inject(ch *change, op *operation) {
	if op.fail == nil {
		if f := c.faultOf("fail", ch, true); f != nil {
			op.fail = refuse(or(f.Status, http.StatusBadRequest), or(f.Code, "InternalServerError"), or(f.Message, "failed by the emulator"))
		}
	}
	// A hang is not used up while it lasts: it ends when it is removed.
	op.hangs = c.faultOf("hang", ch, false) != nil
}

// regionLost: Resource Manager knows the resources of a lost region and cannot
// reach them (choice: 503 ServiceUnavailable for everything there).
func (c *Cloud) regionLost(location string) *problem {
	if f := c.fault("region", location, "", "", "", true); f != nil {
		return refuse(http.StatusServiceUnavailable, or(f.Code, "ServiceUnavailable"), or(f.Message, "The service in "+location+" is unavailable."))
	}
	return nil
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
