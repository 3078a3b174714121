package arm

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"weir/emulate"
	"weir/price"
)

// Names of deployment SKUs ("Deployment types", 2026-05-08), and where the steps
// of their PTUs are in the catalogue.
var (
	provisioned = map[string]func(price.PTU) price.Steps{
		"ProvisionedManaged":         func(p price.PTU) price.Steps { return p.Regional },
		"GlobalProvisionedManaged":   func(p price.PTU) price.Steps { return p.Global },
		"DataZoneProvisionedManaged": func(p price.PTU) price.Steps { return p.DataZone },
	}
	standard = []string{"Standard", "GlobalStandard", "DataZoneStandard"}
)

// Limits, unless set: quota in PTUs, or in thousands of tokens a minute, and what
// the region has in stock of a model. Less PTUs are in stock than quota allows, as
// quota is no promise of capacity ("Provisioned throughput"). The figures are a
// choice.
const (
	defaultPTUs     = 500
	defaultStandard = 1000
	defaultStock    = 300     // PTUs of a model and SKU, those deployed included
	amplyStocked    = 100_000 // thousands of tokens a minute
	maxPTUs         = 100_000 // of one deployment ("Quotas and limits", 2026-02-17)
	maxStandard     = 32      // standard deployments of one account (the same page)
)

func openAIKind() *kind {
	return &kind{
		typ: "Microsoft.CognitiveServices/accounts/deployments", busy: busyAccount, etags: true, put: "Accepted",
		lock:  func(id rid) string { return lower(id.parent()) },
		check: (*Cloud).checkOpenAI, plan: (*Cloud).planOpenAI, ended: (*Cloud).endedOpenAI, view: viewOpenAI,
		reads: map[string]action{"skus": openAISKUs},
	}
}

// checkOpenAI: model and SKU are known, and the capacity is one of its steps:
// PTUs from a minimum by an increment ("Provisioned throughput sizing",
// 2026-09-23).
func (c *Cloud) checkOpenAI(ch *change) *problem {
	sku, model := textAt(ch.body, "sku", "name"), textAt(ch.body, "properties", "model", "name")
	n, ok := intAt(ch.body, "sku", "capacity")
	steps := provisioned[sku]
	switch {
	case steps == nil && !slices.Contains(standard, sku):
		return refuse(http.StatusBadRequest, "InvalidResourceProperties", fmt.Sprintf("The specified SKU '%s' for model '%s' is not supported in this region '%s'.", sku, model, c.location(ch.id, nil)))
	case model == "" || textAt(ch.body, "properties", "model", "format") == "":
		return refuse(http.StatusBadRequest, "InvalidResourceProperties", "The model's format and name are required.")
	case !ok || n < 1 || steps != nil && n > maxPTUs:
		return refuse(http.StatusBadRequest, "InvalidCapacity", fmt.Sprintf("The specified capacity '%v' of account deployment is not valid.", at(ch.body, "sku", "capacity")))
	case ch.creates() && steps == nil && c.standards(ch.id) >= maxStandard:
		return refuse(http.StatusBadRequest, "DeploymentQuotaExceeded", fmt.Sprintf("The account has its limit of %d standard deployments.", maxStandard))
	}
	if steps != nil {
		if p := c.checkPTUs(model, sku, n, steps); p != nil {
			return p
		}
	}
	return c.checkSpill(ch, steps != nil)
}

func (c *Cloud) standards(id rid) (n int) {
	for _, d := range c.children(mustParent(id), "deployments") {
		if provisioned[textAt(d.body, "sku", "name")] == nil {
			n++
		}
	}
	return n
}

func (c *Cloud) checkPTUs(model, sku string, n int, steps func(price.PTU) price.Steps) *problem {
	ptu, err := c.prices.PTU(model)
	if err != nil {
		return refuse(http.StatusBadRequest, "DeploymentModelNotSupported", fmt.Sprintf("The model '%s' does not support the SKU '%s'.", model, sku))
	}
	s := steps(ptu)
	if s.Minimum == 0 || s.Increment == 0 {
		return refuse(http.StatusBadRequest, "DeploymentModelNotSupported", fmt.Sprintf("The model '%s' does not support the SKU '%s'.", model, sku))
	}
	if n < s.Minimum || (n-s.Minimum)%s.Increment != 0 {
		return refuse(http.StatusBadRequest, "InvalidCapacity", fmt.Sprintf("The specified capacity '%d' of account deployment is not valid: %s of %s takes %d and more, by %d.", n, sku, model, s.Minimum, s.Increment))
	}
	return nil
}

// checkSpill: to a standard deployment of the same account and data-processing
// level ("Manage traffic with spillover", 2026-01-30).
func (c *Cloud) checkSpill(ch *change, isProvisioned bool) *problem {
	to := textAt(ch.body, "properties", "spilloverDeploymentName")
	if to == "" {
		return nil
	}
	level := func(sku string) string {
		return strings.TrimSuffix(strings.TrimSuffix(sku, "Standard"), "ProvisionedManaged")
	}
	for _, d := range c.children(mustParent(ch.id), "deployments") {
		sku := textAt(d.body, "sku", "name")
		if isProvisioned && strings.EqualFold(d.id.name(), to) && provisioned[sku] == nil && level(sku) == level(textAt(ch.body, "sku", "name")) {
			return nil
		}
	}
	return refuse(http.StatusBadRequest, "InvalidResourceProperties", "spilloverDeploymentName '"+to+"': want a standard deployment of this account with the same data-processing level, and a provisioned one that spills.")
}

// openAINeeds: PTUs have one quota for each SKU, standard deployments one for
// each SKU and model ("Manage quota", 2026-09-16; PTU quota is independent of the
// model). The names are those of usages/list.
func (c *Cloud) openAINeeds(id rid, body object) []need {
	if body == nil {
		return nil
	}
	n, _ := intAt(body, "sku", "capacity")
	return []need{{"cognitive", c.location(id, nil), openAIQuota(textAt(body, "sku", "name"), textAt(body, "properties", "model", "name")), n}}
}

func openAIQuota(sku, model string) string {
	if provisioned[sku] != nil {
		return "OpenAI." + sku
	}
	return "OpenAI." + sku + "." + model
}

func openAIDefault(n need) int {
	if strings.HasSuffix(n.name, "ProvisionedManaged") {
		return defaultPTUs
	}
	return defaultStandard
}

const openAIType = "Microsoft.CognitiveServices/accounts/deployments"

func (c *Cloud) openAIUse() map[need]int {
	return c.used(openAIType, func(r *resource, b object) []need { return c.openAINeeds(r.id, b) })
}

// stock is what is left of a model's machines in a region; -: a stock-out.
func (c *Cloud) stock(location, sku, model string) int {
	if c.fault("stockout", location, sku, "", "", false) != nil {
		return 0
	}
	def := amplyStocked
	if provisioned[sku] != nil {
		def = defaultStock
	}
	used := c.used(openAIType, func(r *resource, b object) []need {
		n, _ := intAt(b, "sku", "capacity")
		return []need{{"stock", c.location(r.id, nil), textAt(b, "sku", "name") + "." + textAt(b, "properties", "model", "name"), n}}
	})
	name := "stock." + sku + "." + model
	return max(0, c.limit("stock", location, name, def)-used[need{"stock", location, lower(sku + "." + model), 0}])
}

// planOpenAI: quota is checked when the write comes (InsufficientQuota, 400);
// whether there are machines shows later. No document names the code of that:
// InsufficientCapacity is a choice.
func (c *Cloud) planOpenAI(ch *change) outcome {
	if ch.body == nil {
		return outcome{span: "openai-delete"}
	}
	was := ch.before
	if ch.old != nil && !ch.old.made {
		was = nil
	}
	if n, free, short := c.short(c.openAINeeds(ch.id, was), c.openAINeeds(ch.id, ch.body), c.openAIUse(), openAIDefault); short {
		limit := c.limit(n.provider, n.location, n.name, openAIDefault(n))
		return outcome{now: refuse(http.StatusBadRequest, "InsufficientQuota", fmt.Sprintf(
			"This operation require %d new capacity in quota %s, which is bigger than the current available capacity %d. The current quota usage is %d and the quota limit is %d for quota %s.", n.n, n.name, free, limit-free, limit, n.name))}
	}
	sku, model := textAt(ch.body, "sku", "name"), textAt(ch.body, "properties", "model", "name")
	after, _ := intAt(ch.body, "sku", "capacity")
	before := 0
	if sku == textAt(was, "sku", "name") && model == textAt(was, "properties", "model", "name") {
		before, _ = intAt(was, "sku", "capacity")
	}
	if at := c.location(ch.id, nil); after > before {
		left := c.stock(at, sku, model)
		if c.faultOf("stockout", ch, true) != nil {
			left = 0
		}
		if after-before > left {
			return outcome{span: "openai-stock", fail: refuse(http.StatusConflict, "InsufficientCapacity", fmt.Sprintf("There is not enough capacity of %s for %s in %s: %d more wanted, %d available.", sku, model, at, after-before, left))}
		}
	}
	if ch.creates() {
		return outcome{span: "openai-create"}
	}
	return outcome{span: "openai-resize"}
}

// endedOpenAI changes what the data plane admits.
func (c *Cloud) endedOpenAI(r *resource, ch *change) {
	account := c.resources[lower(r.id.parent())]
	if account == nil || account.openai == nil {
		return
	}
	if ch.body == nil {
		account.openai.Remove(r.id.name())
		return
	}
	if err := account.openai.Put(c.specOf(r, account.openai)); err != nil {
		r.state = "Failed"
		c.log.Warn("deployment is not served", "deployment", r.id.text, "error", err)
	}
}

// specOf is a deployment as the data plane takes it. One
// of the model that is there already keeps what no object of Azure says.
func (c *Cloud) specOf(r *resource, there *emulate.Azure) emulate.AzureDeployment {
	n, _ := intAt(r.body, "sku", "capacity")
	model, sku := textAt(r.body, "properties", "model", "name"), textAt(r.body, "sku", "name")
	d := emulate.AzureDeployment{Name: r.id.name(), Model: model}
	for _, have := range there.Deployments() {
		if have.Name == d.Name && have.Model == model && (have.PTU > 0) == (provisioned[sku] != nil) {
			d = have
		}
	}
	d.SKU, d.Spillover = sku, textAt(r.body, "properties", "spilloverDeploymentName")
	if provisioned[sku] == nil {
		if d.TPM == 0 || max(1, d.TPM/1000) != n { // what is there may be finer than Azure's unit
			d.TPM, d.RPM = 1000*n, 0
		}
		return d
	}
	d.PTU = n
	if d.InputTPM > 0 {
		return d
	}
	if ptu, err := c.prices.PTU(d.Model); err == nil {
		d.InputTPM, d.OutputWeight, d.CachedWeight = ptu.InputTPM.Value(), ptu.OutputWeight.Value(), ptu.CachedWeight.Value()
		d.TokensPerSecond, d.MaxPrompt = ptu.Speed.Value(), ptu.MaxPrompt
	}
	return d
}

// viewOpenAI adds the rate limits of a standard deployment: what its data plane
// admits, else 6 requests a minute for each 1,000 tokens. Requests are counted by
// 10 s ("Manage quota").
func viewOpenAI(c *Cloud, r *resource, _, p object) {
	n, _ := intAt(r.body, "sku", "capacity")
	p["currentCapacity"] = n
	p["rateLimits"] = []any{}
	if provisioned[textAt(r.body, "sku", "name")] != nil {
		return
	}
	tokens, requests := 1000*n, 6*n
	if account := c.above(r.id); account != nil && account.openai != nil && r.op == nil {
		for _, d := range account.openai.Deployments() {
			if d.Name == r.id.name() && d.RPM > 0 {
				tokens, requests = d.TPM, d.RPM
			}
		}
	}
	p["rateLimits"] = []any{object{"key": "request", "renewalPeriod": 10, "count": float64(requests) / 6}, object{"key": "token", "renewalPeriod": 60, "count": tokens}}
}

// openAISKUs are the capacities a deployment may have.
func openAISKUs(c *Cloud, w http.ResponseWriter, r *http.Request, q *call) *problem {
	sku := textAt(q.res.body, "sku", "name")
	capacity := object{"minimum": 1, "maximum": defaultStandard, "step": 1, "default": 10}
	if steps := provisioned[sku]; steps != nil {
		if ptu, err := c.prices.PTU(textAt(q.res.body, "properties", "model", "name")); err == nil {
			s := steps(ptu)
			capacity = object{"minimum": s.Minimum, "maximum": maxPTUs, "step": s.Increment, "default": s.Minimum}
		}
	}
	return c.page(w, r, []any{object{"resourceType": openAIType, "sku": object{"name": sku}, "capacity": capacity}})
}
