package config

import (
	"fmt"
	"strings"
	"time"
)

// Limits bound use. A limit that is absent does not bound.
type Limits struct {
	// Requests per time. More are answered with 429 and the time to come back.
	Requests Rate `yaml:"requests" min:"1/min" max:"10M/min" example:"600/min"`
	// Tokens per time, prompt and completion together. More are answered with 429 and the time to come back.
	Tokens Rate `yaml:"tokens" min:"1/min" max:"1000000M/min" example:"200k/min"`
	// Requests in flight at once. More are answered with 429.
	Concurrent int `yaml:"concurrent" min:"1" max:"1000000" example:"50"`
	// How much of the requests and tokens per time may be used at once after a pause: what comes together in that time. It bounds the size of one request too.
	Burst time.Duration `yaml:"burst" default:"1m" min:"1s" max:"1h"`
	// What a request takes of the tokens per time when it comes: what it likely uses, settled when it has ended; or the most it may use by its max_tokens, as providers take it. One that may use more than the burst has its max_tokens lowered to it.
	Reserve string `yaml:"reserve" default:"likely" enum:"likely|most"`
}

// Budget bounds use by the calendar. A bound that is absent does not bound.
// What is used already is read from the store when Weir starts.
type Budget struct {
	// Tokens in a day, prompt and completion together. Requests beyond it are answered with 429 and the time until the day is over, in UTC.
	TokensPerDay int `yaml:"tokens_per_day" min:"1" max:"1000000000000000" example:"50000000"`
	// The same in a month.
	TokensPerMonth int `yaml:"tokens_per_month" min:"1" max:"1000000000000000" example:"1000000000"`
	// Cost in a day, at the prices of the deployments that served.
	MoneyPerDay Dollars `yaml:"money_per_day" example:"$25"`
	// The same in a month.
	MoneyPerMonth Dollars `yaml:"money_per_month" example:"$500"`
	// What happens to a streamed answer that grows beyond what was reserved for it and beyond what is left: it is finished and charged, or cut with an error event.
	Exhausted string `yaml:"exhausted" default:"finish" enum:"finish|cut"`
	// What one request may be promised of what is left: near the end of the budget a part of it, with its max_tokens lowered to that, for others to be served beside it; or always all it asks for, as far as it is there.
	Reserve string `yaml:"reserve" default:"part" enum:"part|all"`
}

// Trim lowers max_tokens of requests that ask for far more than answers need,
// which fills a provider's quota with nothing. Off where nothing is given.
type Trim struct {
	// Most tokens an answer may be asked to have.
	Cap int `yaml:"cap" min:"1" max:"100000000" example:"8192"`
	// The same as a multiple of what 99 % of the tenant's own answers of the model have had, once that is known; never below 256 tokens.
	Times int `yaml:"times" min:"2" max:"1000" example:"4"`
}

// Limit bounds what some requests may use together: those that agree with every
// part that is given.
type Limit struct {
	// Requests of this tenant. Without it: of all tenants together.
	Tenant string `yaml:"tenant" format:"name" example:"support"`
	// Of this key of the tenant.
	Key string `yaml:"key" format:"name" example:"ci"`
	// For this model, by its name. Without it: for all models together.
	Model string `yaml:"model" format:"name" example:"gpt-4o"`
	// Of this class. Without it: of both.
	Class string `yaml:"class" enum:"interactive|batch"`
	// What they may use.
	Limits Limits `yaml:"limits"`
	// What they may use in a day and in a month of the calendar, in UTC.
	Budget Budget `yaml:"budget"`
}

// scope is what the limit counts, as the program's messages name it.
func (l *Limit) scope() string {
	var parts []string
	for _, p := range [...][2]string{{"tenant", l.Tenant}, {"key", l.Key}, {"model", l.Model}, {"class", l.Class}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if parts == nil {
		return "all requests"
	}
	return strings.Join(parts, ", ")
}

// Bounds says whether any bound is given.
func Bounds(l Limits, b Budget) bool {
	l.Burst, l.Reserve, b.Exhausted, b.Reserve = 0, "", "", ""
	return l != Limits{} || b != Budget{}
}

// limits checks the list of limits: what it refers to, and that each scope has
// one set of limits in the whole file.
func (v *validator) limits() {
	scopes, names := taken{}, v.names()
	v.ownLimits(scopes)
	for i := range v.c.Limits {
		l, path := &v.c.Limits[i], fmt.Sprintf("limits[%d]", i)
		if !v.known(l, path, names) || v.badUnder(path) {
			continue
		}
		if !Bounds(l.Limits, l.Budget) {
			v.blame(path, "bounds nothing", "give limits or a budget, or leave it out")
		}
		v.claim(scopes, l.scope(), path, "the scope")
		if l.Class != "" && Bounds(Limits{}, l.Budget) {
			v.warn(path+".budget", "what a class has used is not in the store: this budget begins anew when Weir is started", "bound a tenant, key or model where that matters")
		}
	}
	v.serves()
}

// serves checks the models that deployments stand in with.
func (v *validator) serves() {
	models := v.modelNames()
	for i, m := range v.c.Models {
		for k, d := range m.Deployments {
			if d.Serves != "" && !contains(models, d.Serves) {
				v.blame(fmt.Sprintf("models[%d].deployments[%d].serves", i, k), fmt.Sprintf("there is no model %q", d.Serves), "%s", suggest(d.Serves, models, "models"))
			}
		}
	}
}

// ownLimits notes the scopes whose limits stand with their tenant, key or model.
func (v *validator) ownLimits(scopes taken) {
	note := func(l *Limit, path string) {
		if Bounds(l.Limits, l.Budget) {
			scopes[l.scope()] = path
		}
	}
	for i, t := range v.c.Tenants {
		path := fmt.Sprintf("tenants[%d]", i)
		note(&Limit{Tenant: t.Name, Limits: t.Limits, Budget: t.Budget}, path)
		for k, key := range t.Keys {
			note(&Limit{Tenant: t.Name, Key: key.Name, Limits: key.Limits, Budget: key.Budget}, fmt.Sprintf("%s.keys[%d]", path, k))
		}
	}
	for i, m := range v.c.Models {
		note(&Limit{Model: m.Name, Limits: m.Limits, Budget: m.Budget}, fmt.Sprintf("models[%d]", i))
	}
}

// names are those a limit may refer to.
type names struct {
	tenants map[string][]string // -> names of its keys
	order   []string            // of the tenants
	models  []string
}

func (v *validator) names() names {
	n := names{tenants: map[string][]string{}, models: v.modelNames()}
	for _, t := range v.c.Tenants {
		keys := make([]string, 0, len(t.Keys))
		for _, k := range t.Keys {
			keys = append(keys, k.Name)
		}
		n.tenants[t.Name], n.order = keys, append(n.order, t.Name)
	}
	return n
}

// known faults what a limit refers to and there is not.
func (v *validator) known(l *Limit, path string, n names) bool {
	keys, isTenant := n.tenants[l.Tenant]
	good := true
	blame := func(key, problem, remedy string) {
		good = false
		v.blame(path+key, problem, "%s", remedy)
	}
	switch {
	case l.Tenant != "" && !isTenant:
		blame(".tenant", fmt.Sprintf("there is no tenant %q", l.Tenant), suggest(l.Tenant, n.order, "tenants"))
	case l.Key != "" && l.Tenant == "":
		blame(".key", fmt.Sprintf("key %q is of no tenant", l.Key), "name its tenant beside it")
	case l.Key != "" && !contains(keys, l.Key):
		blame(".key", fmt.Sprintf("tenant %q has no key %q", l.Tenant, l.Key), suggest(l.Key, keys, "keys"))
	}
	if l.Model != "" && !contains(n.models, l.Model) {
		blame(".model", fmt.Sprintf("there is no model %q", l.Model), v.suggestModel(l.Model, n.models))
	}
	return good
}
