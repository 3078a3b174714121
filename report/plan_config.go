package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"weir"
	"weir/fit"
	"weir/manifest"
	"weir/plan"
	"weir/price"
	"weir/report/words"
)

// planYAML is a weir.yaml under construction.
type planYAML struct {
	text
	d plan.Demand
	c *price.Catalogue
}

// PlanConfig writes the weir.yaml of a plan's recommendation. Values only the
// user knows (the resource, the keys) are marked with CHANGE. It is an error if
// the answer recommends nothing.
func PlanConfig(w io.Writer, c *price.Catalogue, d plan.Demand, a plan.Answer) error {
	if a.Advice.Lines == nil {
		return fmt.Errorf("there is nothing to configure: no alternative is available at a known price")
	}
	y := planYAML{d: d, c: c}
	y.head(a)
	y.model(a)
	if slices.Contains(a.Advice.Measures, plan.MeasureSmaller) {
		y.smaller()
	}
	return y.to(w)
}

func (y *planYAML) head(a plan.Answer) {
	y.linef("# What `weir plan` recommends:")
	for _, line := range a.Advice.Lines {
		y.linef("#   %s  %s", words.Dollars(line.Amount), line.What)
	}
	y.linef("# Replace each CHANGE, make a key with `weir key new`, then `weir check`.")
	for _, m := range a.Advice.Measures {
		switch m {
		case plan.MeasureBatch:
			y.linef("# The share that may wait goes to a batch deployment of %s, which is not part of this file.", y.d.Model)
		case plan.MeasureCache:
			y.linef("# The plan assumes a response cache for %s of requests.", words.Percent(y.d.Answers, 4))
		}
	}
	y.linef("")
	y.linef("tenants:")
	y.linef("  - name: everyone")
	y.linef("    keys:")
	y.linef("      - name: first")
	y.linef("        hash: sha256:%s # CHANGE: from `weir key new`", strings.Repeat("0", 64))
	y.linef("")
	y.linef("models:")
}

func (y *planYAML) model(a plan.Answer) {
	name := y.d.Model
	if name == "" {
		name = y.d.OpenModel
	}
	y.linef("  - name: %q", name)
	if y.d.SLO != (weir.SLO{}) {
		y.linef("    slo:")
		if y.d.SLO.TTFT > 0 {
			y.linef("      ttft: %dms", y.d.SLO.TTFT.Milliseconds())
		}
		if y.d.SLO.TPOT > 0 {
			y.linef("      tpot: %dms", y.d.SLO.TPOT.Milliseconds())
		}
	}
	y.linef("    deployments:")
	o := a.Advice.Option
	if o == nil { // it has no capacity left; callers may still ask
		y.tokens(y.d.Model, "GlobalStandard", 0)
		return
	}
	switch o.Kind {
	case plan.Provisioned, plan.Spillover:
		y.provisioned(name, *o)
		if o.Spill != "" {
			y.tokens(y.d.Model, o.Spill, 1)
		}
	case plan.PayAsYouGo:
		y.tokens(y.d.Model, o.SKU, 0)
	case plan.Own:
		y.own(name, *o)
		if y.d.Model != "" {
			y.linef("      # Requests beyond the capacity of the replicas go to %s.", y.d.Model)
			y.tokens(y.d.Model, "GlobalStandard", 1)
		}
	}
}

func (y *planYAML) provisioned(name string, o plan.Option) {
	y.linef("      # %d PTUs, %s: billed by time, so tokens cost nothing extra.", o.PTUs, o.SKU)
	y.deployment(name+"/ptu", 0)
	y.azure(y.d.Model + "-ptu")
	y.linef("          ptu: %d", o.PTUs)
	if name != y.d.Model {
		y.linef("          ptu_model: %q", y.d.Model)
	}
}

// tokens is a deployment paid for by the token.
func (y *planYAML) tokens(model, sku string, tier int) {
	y.linef("      # %s, paid for by the token.", sku)
	y.deployment(model+"/"+strings.ToLower(sku), tier)
	if t, err := y.c.Tokens(model, sku, y.d.Region); err == nil {
		y.linef("        price:")
		for _, p := range []struct {
			key string
			is  price.Price
		}{{"prompt", t.Input}, {"cached", t.Cached}, {"cache_write", t.CacheWrite}, {"completion", t.Output}} {
			if p.is.Known() {
				y.linef("          %s: %s/1M tokens", p.key, p.is.Amount())
			}
		}
	}
	y.azure(model)
}

func (y *planYAML) deployment(name string, tier int) {
	y.linef("      - name: %q", name)
	y.linef("        tier: %d", tier)
}

func (y *planYAML) azure(deployment string) {
	y.linef("        azureopenai:")
	y.linef("          endpoint: https://CHANGE.openai.azure.com")
	y.linef("          deployment: %q", deployment)
	y.linef("          entra: default")
}

func (y *planYAML) own(name string, o plan.Option) {
	y.linef("      # %d x %s at the busiest hour, %s of %s each: %s.", o.VMs, o.SKU, words.Count(o.Replicas, "replica"), words.Count(o.TP, "GPU"), o.Name)
	y.deployment(name+"/own", 0)
	if o.Place != "managed_online" {
		y.workload(o)
		return
	}
	y.linef("        external:")
	y.linef("          urls: [https://CHANGE.%s.inference.ml.azure.com]", y.d.Region)
	y.linef("          api_key: env:AZUREML_ENDPOINT_KEY")
	y.linef("          model: %q", y.d.OpenModel)
}

// workload is a Deployment in a cluster, as many as the busiest hour needs.
func (y *planYAML) workload(o plan.Option) {
	y.linef("        kubernetes: # weir manifest -c weir.yaml prints it")
	y.linef("          name: %q", manifest.ObjectName(y.d.OpenModel))
	y.linef("          namespace: models")
	y.linef("          model: %q", y.d.OpenModel)
	y.linef("          gpus: %d", max(o.TP, 1))
	y.linef("          max_nodes: %d", o.VMs)
	if vm, err := y.c.VM(o.SKU); err == nil {
		y.linef("          runs_on:")
		y.linef("            gpu: %q", vm.GPU)
		if y.d.DType != "" {
			y.linef("            quant: %q", y.d.DType)
		}
		if n := y.context(o, vm); n > 0 {
			y.linef("            context: %d # the longest that fits, of whole thousands", n)
		}
	}
	y.linef("        scaling:")
	y.linef("          min: 1")
	y.linef("          max: %d", o.Replicas)
	y.linef("          price: {vm: %q, region: %q}", o.SKU, y.d.Region)
}

// context is the longest request that a replica serves, in whole 1024 tokens; 0:
// the model's own, or not known.
func (y *planYAML) context(o plan.Option, vm price.VM) int {
	m, q, err := fit.Named(y.c, y.d.OpenModel)
	if err != nil {
		return 0
	}
	if other, err := fit.ParseQuant(y.d.DType); err == nil {
		q = other
	}
	g, err := y.c.GPU(vm.GPU)
	if err != nil {
		return 0
	}
	s := fit.Setup{Quant: q, TP: o.TP, Engine: fit.DefaultEngine}
	if s.GPU, err = fit.NewGPU(g); err != nil {
		return 0
	}
	s.GPU = s.GPU.Part(vm.Share())
	a, err := fit.Check(m, s)
	for err == nil && !a.Verdict.Serves() && a.MaxContext >= 1024 && s.Context != a.MaxContext/1024*1024 {
		s.Context = a.MaxContext / 1024 * 1024
		a, err = fit.Check(m, s)
	}
	return s.Context
}

func (y *planYAML) smaller() {
	y.linef("")
	y.linef("  # For the %s of requests that accept it: their callers ask for this name.", words.Percent(y.d.Smaller.Share, 4))
	y.linef("  - name: %q", y.d.Smaller.Model)
	y.linef("    deployments:")
	y.tokens(y.d.Smaller.Model, "GlobalStandard", 0)
}
