package config

import (
	"fmt"
	"slices"
	"time"
)

// Cheaper tries some of a model's requests on a smaller model. Requests of the
// Responses API and for embeddings are never tried.
type Cheaper struct {
	// The smaller model of this file.
	Model string `yaml:"model" need:"true" format:"name" example:"gpt-4o-mini"`
	// Which requests are tried. The first rule that fits counts; others are not tried.
	Rules []CheaperRule `yaml:"rules" need:"true"`
	// When the smaller model's answer is good enough.
	Cascade Cascade `yaml:"cascade"`
}

// CheaperRule is a kind of requests: those that fit every part given.
type CheaperRule struct {
	// cascade: the smaller model is asked first, and the caller's model if that answer is not good enough; streams are not tried. move: the smaller model serves the request.
	How string `yaml:"how" default:"cascade" enum:"cascade|move"`
	// Share of the requests that fit.
	Share Percent `yaml:"share" default:"100%" min:"0%" max:"100%"`
	// Their class.
	Class string `yaml:"class" enum:"interactive|batch"`
	// One of the tags in x-weir-tags.
	Tag string `yaml:"tag" example:"summary"`
	// Longest prompt, in tokens (estimated).
	MaxPrompt int `yaml:"max_prompt" min:"1" max:"10000000" example:"2000"`
	// Also requests that offer tools.
	Tools bool `yaml:"tools"`
}

// Cascade says when the smaller model's answer is good enough. It is not when it ends at
// its length limit, is a refusal, or is not in the JSON schema (of the answer, or of a
// tool) that the request demands.
type Cascade struct {
	// Least geometric mean of the probabilities of the answer's tokens. Only chat requests are then tried. Without it, probabilities do not matter.
	MinConfidence Percent `yaml:"min_confidence" min:"1%" max:"99.9%" example:"80%"`
	// Beginnings of answers that count as refusals; case does not matter.
	Phrases []string `yaml:"phrases" example:"I'm sorry, but"`
	// Longest time that the smaller model may take, its queue included.
	Within time.Duration `yaml:"within" default:"30s" min:"10ms" max:"1h"`
}

const maxCheaperRules = 16

// cheaper checks which model each model is tried on.
func (v *validator) cheaper() {
	for i := range v.c.Models {
		m, path := &v.c.Models[i], fmt.Sprintf("models[%d].cheaper", i)
		p := m.Cheaper
		if p == nil || v.badUnder(path) {
			continue
		}
		at := slices.IndexFunc(v.c.Models, func(o Model) bool { return o.Name == p.Model })
		switch {
		case at < 0:
			v.blame(path+".model", fmt.Sprintf("there is no model %q", p.Model), "name a model of this file")
		case at == i:
			v.blame(path+".model", "is the model itself", "name a smaller model of this file")
		case v.c.Models[at].Cheaper != nil:
			v.blame(path+".model", fmt.Sprintf("names %q, which has cheaper too", p.Model), "remove one of the two: a request is tried on one smaller model at most")
		}
		if n := len(p.Rules); n == 0 || n > maxCheaperRules {
			v.blame(path+".rules", fmt.Sprintf("has %d rules", n), "give 1 to %d; [{share: 100%%}] tries every request", maxCheaperRules)
		}
		if p.Cascade.MinConfidence > 0 && !slices.ContainsFunc(p.Rules, func(r CheaperRule) bool { return r.How == "cascade" }) {
			v.blame(path+".cascade.min_confidence", "has no effect here", "it belongs to rules with how: cascade")
		}
	}
}
