package gateway

import (
	"errors"
	"fmt"

	"weir"
	"weir/meter"
)

// Validate reports every error in the configuration at once.
func (c Config) Validate() error {
	v := validator{tenants: map[string]bool{}, keys: map[[32]byte]string{}, models: map[string]bool{}, deployments: map[string]bool{}}
	for i := range c.Models {
		v.model(&c.Models[i])
	}
	for i := range c.Models {
		v.meaning(&c.Models[i])
		v.cheaper(&c, &c.Models[i])
	}
	for i := range c.Tenants {
		v.tenant(&c.Tenants[i])
	}
	v.limits(&c)
	v.cors(&c)
	return errors.Join(v.faults...)
}

type validator struct {
	faults      []error
	tenants     map[string]bool
	keys        map[[32]byte]string
	models      map[string]bool // and aliases
	deployments map[string]bool
}

func (v *validator) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf(format, args...))
}

func (v *validator) model(m *Model) {
	if m.Name == "" {
		v.fault("a model has no name")
	}
	for _, name := range append([]string{m.Name}, m.Aliases...) {
		if v.models[name] {
			v.fault("model name %q is given twice; names and aliases must be unique", name)
		}
		v.models[name] = true
	}
	if len(m.Deployments) == 0 {
		v.fault("model %q has no deployment; without one nothing can serve it", m.Name)
	}
	if err := optionsOf(m, nil).Validate(); err != nil {
		v.fault("model %q: %w", m.Name, err)
	}
	v.trials(m)
	v.vectors(m)
	for _, d := range m.Deployments {
		if v.deployments[d.Name] {
			v.fault("deployment name %q is given twice; names must be unique over all models", d.Name)
		}
		v.deployments[d.Name] = true
		if d.Mirror != nil && (d.Mirror.Share < 0 || d.Mirror.Share > 1 || d.Mirror.MaxConcurrent < 0 || d.Weight != 0 || d.Canary != nil) {
			v.fault("deployment %q: a mirror has a share of 0 to 1, a bound of its copies that is not negative, no weight and is no canary", d.Name)
		}
		if err := d.Upstream.Validate(); err != nil {
			v.fault("deployment %q: %w", d.Name, err)
		}
	}
}

// vectors refuses to mix vectors of several models: nothing can be compared across them.
func (v *validator) vectors(m *Model) {
	for _, d := range m.Deployments {
		if m.Vectors != nil && (d.Canary != nil || d.Serves != "" && d.Serves != m.Name) {
			v.fault("model %q stores embeddings, and deployment %q serves another model or version: their vectors cannot be mixed", m.Name, d.Name)
		}
	}
}

func (v *validator) tenant(t *Tenant) {
	if t.Name == "" {
		v.fault("a tenant has no name")
	}
	if v.tenants[t.Name] {
		v.fault("tenant name %q is given twice", t.Name)
	}
	v.tenants[t.Name] = true
	if t.Share < 0 {
		v.fault("tenant %q has share %d; it must not be negative, 0 means 1", t.Name, t.Share)
	}
	names := map[string]bool{}
	for _, k := range t.Keys {
		full := t.Name + "/" + k.Name
		if k.Name == "" || names[k.Name] {
			v.fault("key %q: every key of a tenant needs a name of its own", full)
		}
		names[k.Name] = true
		if k.SHA256 == ([32]byte{}) {
			v.fault("key %q has no SHA-256", full)
		}
		if other, ok := v.keys[k.SHA256]; ok {
			v.fault("keys %q and %q are the same key", other, full)
		}
		v.keys[k.SHA256] = full
	}
	for _, m := range t.Models {
		if !v.models[m] {
			v.fault("tenant %q may use model %q, which is not configured", t.Name, m)
		}
	}
}

// limits faults scopes that name unknown things, and two sets of limits for one scope.
func (v *validator) limits(c *Config) {
	names := map[string]bool{}
	for _, m := range c.Models {
		names[m.Name] = true
	}
	for _, m := range c.Models {
		for _, d := range m.Deployments {
			if d.Serves != "" && !names[d.Serves] {
				v.fault("deployment %q serves model %q, which is not configured", d.Name, d.Serves)
			}
		}
	}
	own, seen := limitsOf(&Config{Tenants: c.Tenants, Models: c.Models}), map[meter.Scope]bool{}
	for _, l := range c.Limits {
		s := l.Scope
		switch {
		case s.Tenant != "" && !v.tenants[s.Tenant], s.Model != "" && !names[s.Model]:
			v.fault("the limits of %v are of a tenant or model that is not configured", s)
		case s.Key != "" && !v.hasKey(s):
			v.fault("the limits of %v are of a key that is not configured", s)
		case s.Class != "" && s.Class != weir.Interactive.String() && s.Class != weir.Batch.String():
			v.fault("the limits of %v are of a class that does not exist; there are interactive and batch", s)
		case seen[s] || own[s].Bounds():
			v.fault("%v has limits twice; give each scope one set", s)
		}
		seen[s] = true
	}
}

func (v *validator) hasKey(s meter.Scope) bool {
	for _, full := range v.keys {
		if full == s.Tenant+"/"+s.Key {
			return true
		}
	}
	return false
}
