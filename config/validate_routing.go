package config

import (
	"fmt"
	"slices"
)

// routing checks how a model's deployments refer to each other.
func (v *validator) routing(m *Model, path string) {
	if m.Split.Sticky != "header" && m.Split.Header != "" {
		v.blame(path+".split.header", "has no effect here", "it belongs to sticky: header")
	}
	if m.Split.Sticky == "header" && m.Split.Header == "" && !v.faulty[path+".split.header"] {
		v.blame(path+".split.sticky", "names no header", "add header: with the header that makes requests sticky")
	}
	if m.Hedge != nil && m.Attempts < 2 {
		v.blame(path+".hedge", fmt.Sprintf("needs a second attempt, but attempts is %d", m.Attempts), "give attempts at least 2")
	}
	tried := taken{}
	for k := range m.Deployments {
		d, at := &m.Deployments[k], fmt.Sprintf("%s.deployments[%d]", path, k)
		if d.Canary != nil {
			v.canary(m, d, at)
			v.claim(tried, d.Canary.Of, at+".canary.of", "canary of")
		}
		if d.Mirror != nil {
			v.mirror(d, at)
		}
	}
	if m.Hedge != nil && m.Attempts >= 2 && !hasTwo(m) {
		v.warn(path+".hedge", "has no second replica to use: no tier has one, nor any before it", "add another server, or remove it")
	}
}

// hasTwo says whether a hedge may find a second replica: in some tier, or in
// one preferred to it.
func hasTwo(m *Model) bool {
	replicas := 0
	for i := range m.Deployments {
		switch d := &m.Deployments[i]; {
		case d.Weight == 0:
		case d.External != nil:
			replicas += len(d.External.URLs)
		case d.Elastic() && (d.Scaling == nil || d.Scaling.Max > 1):
			replicas += 2
		default:
			replicas++
		}
	}
	return replicas >= 2
}

// defaultSteps are the steps of a canary without steps.
var defaultSteps = []Percent{1, 5, 25, 50, 100}

func (v *validator) canary(m *Model, d *Deployment, path string) {
	c, at := d.Canary, path+".canary"
	if len(c.Steps) == 0 && !v.badUnder(at+".steps") {
		c.Steps = slices.Clone(defaultSteps)
	}
	if len(c.Steps) > 20 {
		v.blame(at+".steps", fmt.Sprintf("%d steps are more than the 20 allowed", len(c.Steps)), "remove some")
	}
	for i := 1; i < len(c.Steps); i++ {
		if c.Steps[i] <= c.Steps[i-1] {
			v.blame(fmt.Sprintf("%s.steps[%d]", at, i), fmt.Sprintf("%v is not more than the step before, which is %v", c.Steps[i], c.Steps[i-1]), "give increasing shares")
		}
	}
	v.noWeight(d, path, "canary sets its share")
	if d.Mirror != nil {
		v.blame(path+".mirror", "makes copies for a deployment that is also a canary", "remove one of the two")
	}
	i := slices.IndexFunc(m.Deployments, func(o Deployment) bool { return o.Name == c.Of })
	switch {
	case c.Of == "" || v.faulty[at+".of"]:
	case i < 0:
		v.blame(at+".of", fmt.Sprintf("names %q, which is not a deployment of model %q", c.Of, m.Name), "name the stable deployment")
	case c.Of == d.Name || m.Deployments[i].Canary != nil || m.Deployments[i].Mirror != nil:
		v.blame(at+".of", fmt.Sprintf("names %q, which is not a stable deployment", c.Of), "name a deployment without canary and mirror")
	case m.Deployments[i].Tier != d.Tier:
		v.blame(at+".of", fmt.Sprintf("names %q of tier %d, but this one is in tier %d", c.Of, m.Deployments[i].Tier, d.Tier), "give both the same tier")
	case m.Deployments[i].Weight == 0:
		v.blame(at+".of", fmt.Sprintf("names %q, whose weight is 0: there is no traffic to share", c.Of), "give it a weight")
	}
}

func (v *validator) mirror(d *Deployment, path string) {
	v.noWeight(d, path, "mirror sends it copies only")
	d.Weight = 0
}

// noWeight blames a given weight that another key makes void.
func (v *validator) noWeight(d *Deployment, path, because string) {
	if _, given := v.at[path+".weight"]; given {
		v.blame(path+".weight", "has no effect here: "+because, "remove it")
	}
}

// spillover checks the block of Azure's own spillover.
func (v *validator) spillover(a *AzureOpenAI, path string) {
	if a.Spillover == nil {
		return
	}
	if a.PTU == 0 {
		v.blame(path+".spillover", "has no effect without ptu: only provisioned deployments spill over", "give the number of units of the deployment, or remove it")
	}
	if p := a.Spillover.Price; p != nil && p.Cached == nil && p.Catalogue == "" {
		prompt := p.Prompt
		p.Cached = &prompt
	}
}
