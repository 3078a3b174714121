package meter

import (
	"cmp"
	"strings"

	"weir"
)

// Scope selects the requests that one set of limits counts: those that match
// every part that is set. Scope{Tenant: "demo", Model: "gpt-4o"} counts the
// requests of tenant demo to gpt-4o, Scope{Class: "batch"} all batch, Scope{}
// everything. A key belongs to its tenant: Key is only set together with
// Tenant.
type Scope struct {
	Tenant string
	Key    string // name of the key within the tenant
	Model  string // as configured, not an alias
	Class  string // the name of a weir.Class; "": any
}

// A Who identifies the caller of a request, the model asked for and its class.
type Who struct {
	Tenant, Key, Model string
	Class              weir.Class
}

// String is the scope's stable name, the same in every process and release:
// gateways exchange it. Parts have a fixed order and are escaped:
// "tenant=demo,key=ci,model=gpt-4o,class=batch"; "all" for Scope{}.
func (s Scope) String() string {
	var b strings.Builder
	for _, part := range s.parts() {
		if part.value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(part.name)
		b.WriteByte('=')
		b.WriteString(escaper.Replace(part.value))
	}
	if b.Len() == 0 {
		return "all"
	}
	return b.String()
}

var escaper = strings.NewReplacer("%", "%25", ",", "%2C", "=", "%3D")

type part struct{ name, value string }

func (s Scope) parts() [4]part {
	return [4]part{{"tenant", s.Tenant}, {"key", s.Key}, {"model", s.Model}, {"class", s.Class}}
}

// words returns the scope's name for people: "key demo/ci on model gpt-4o,
// class batch".
func (s Scope) words() string {
	var b strings.Builder
	add := func(before, what, name string) {
		if name == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteString(before)
		}
		b.WriteString(what + " " + name)
	}
	if s.Key != "" {
		add("", "key", s.Tenant+"/"+s.Key)
	} else {
		add("", "tenant", s.Tenant)
	}
	add(" on ", "model", s.Model)
	add(", ", "class", s.Class)
	if b.Len() == 0 {
		return "all requests"
	}
	return b.String()
}

// Compare orders scopes by tenant, key, model and class.
func (s Scope) Compare(o Scope) int {
	return cmp.Or(cmp.Compare(s.Tenant, o.Tenant), cmp.Compare(s.Key, o.Key),
		cmp.Compare(s.Model, o.Model), cmp.Compare(s.Class, o.Class))
}

// scopes calls each for every scope that counts a request, the widest first.
func (w Who) scopes(each func(Scope)) {
	tenants := [...]Scope{{}, {Tenant: w.Tenant}, {Tenant: w.Tenant, Key: w.Key}}
	n := len(tenants)
	if w.Key == "" {
		n--
	}
	for i, s := range tenants[:n] {
		if i > 0 && w.Tenant == "" {
			break
		}
		each(s)
		s.Class = w.Class.String()
		each(s)
		if w.Model == "" {
			continue
		}
		s.Model = w.Model
		each(s)
		s.Class = ""
		each(s)
	}
}

// MaxScopes is the most scopes that count one request: all requests, its tenant
// and its key, each with and without its class, each of these without a model,
// on the requested model and on the serving one.
const MaxScopes = 3 * 2 * 3
