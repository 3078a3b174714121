package config

import (
	"fmt"
	"slices"
	"time"
)

// Cache bounds the memory for stored answers. Models choose what is stored by
// their own cache.
type Cache struct {
	// Memory for all stored answers of this gateway.
	Memory Size `yaml:"memory" default:"256MiB" min:"1MiB" max:"1024GiB"`
	// All gateways with the same redis share stored answers, purges and single flight. Answers are then kept in Redis too, unencrypted.
	Redis bool `yaml:"redis"`
	// Largest answer that is stored.
	MaxAnswer Size `yaml:"max_answer" default:"1MiB" min:"1KiB" max:"4MiB"`
	// Memory for the prompts of models with cache.semantic: about 2 KiB each with 384 dimensions, 7 KiB with 1536. The least used go first.
	SemanticMemory Size `yaml:"semantic_memory" default:"64MiB" min:"1MiB" max:"64GiB"`
}

// ModelCache stores a model's answers and gives them to later requests that
// are the same. Nothing is stored without it.
type ModelCache struct {
	// How long an answer is fresh.
	TTL time.Duration `yaml:"ttl" need:"true" min:"1s" max:"8760h" example:"1h"`
	// Other times for some requests. The first rule that fits counts.
	Rules []CacheRule `yaml:"rules"`
	// All tenants share the answers. Without it a tenant gets only answers to its own requests.
	Shared bool `yaml:"shared"`
	// Version of the model, as you name it. A change empties the model's answers.
	Version string `yaml:"version" example:"2026-11"`
	// Texts of a prompt that differ only in white space or Unicode form are the same. Code, quotations, tools and schemas are always compared exactly.
	Normalise bool `yaml:"normalise" default:"true"`
	// Also requests with a temperature above 0 or none: their answers would vary.
	AnyTemperature bool `yaml:"any_temperature"`
	// Also requests that offer tools.
	Tools bool `yaml:"tools"`
	// Also requests of the Responses API whose answer its server keeps (store). The stored answer has the same id.
	Stored bool `yaml:"stored"`
	// Requests that are the same and in flight at the same time share one request to the model.
	SingleFlight bool `yaml:"single_flight" default:"true"`
	// Gives stored answers also to requests that ask the same in other words, once the measured error allows it. Off if absent.
	Semantic *Semantic `yaml:"semantic"`
}

// Semantic gives a stored answer to requests in other words. Until there is evidence
// that the answers are right, and in one request of 20 after that, the model is asked
// and the answers are compared.
type Semantic struct {
	// Model of this file that embeds the last turn. Its requests are on Weir's own account, the tenant "(weir)" in usage.
	Embed string `yaml:"embed" need:"true" format:"name" example:"embed"`
	// Share of the answers given to other words that may be wrong. A smaller one needs more evidence: 554 right answers at 1%, 109 at 5%.
	MaxError Percent `yaml:"max_error" default:"1%" min:"0.1%" max:"50%"`
	// Only measure: the model is always asked.
	Shadow bool `yaml:"shadow"`
	// Longest time that the embedding may add to a request. After it the model is asked.
	Within time.Duration `yaml:"within" default:"100ms" min:"1ms" max:"10s"`
	// Model of this file that says whether two answers are the same. Without it their embeddings do.
	Judge string `yaml:"judge" format:"name" example:"gpt-4o-mini"`
	// Cosine of two answers' embeddings from which they are the same, for answers of at most 1 KiB with equal numbers and negations. Without a judge.
	Alike Percent `yaml:"alike" default:"95%" min:"50%" max:"100%"`
}

// CacheRule is the time for requests that fit every part given.
type CacheRule struct {
	// How long their answers are fresh; 0s: they are not stored.
	TTL time.Duration `yaml:"ttl" need:"true" min:"0s" max:"8760h" example:"24h"`
	// Their operation.
	Operation string `yaml:"operation" enum:"chat|completions|embeddings|responses|messages"`
	// One of the tags in x-weir-cache-tags.
	Tag string `yaml:"tag" example:"faq"`
	// Their class.
	Class string `yaml:"class" enum:"interactive|batch"`
	// Text that stands in the prompt, such as a sentence of its system prompt.
	Contains string `yaml:"contains" example:"You answer questions about opening hours."`
}

// caches checks the models' caches.
func (v *validator) caches() {
	if v.c.Cache.Redis && v.c.Redis == nil {
		v.blame("cache.redis", "is true, and there is no redis", "add redis: {addresses: [...]}, or remove it")
	}
	for i := range v.c.Models {
		c, path := v.c.Models[i].Cache, fmt.Sprintf("models[%d].cache", i)
		if c == nil || v.badUnder(path) {
			continue
		}
		v.semantic(&v.c.Models[i], c.Semantic, path+".semantic")
		if c.Shared && c.Stored {
			v.blame(path+".stored", "and shared exclude each other: a stored response belongs to one tenant", "remove one of them")
		}
		for k, r := range c.Rules {
			if r.Operation == "" && r.Tag == "" && r.Class == "" && r.Contains == "" {
				v.blame(fmt.Sprintf("%s.rules[%d]", path, k), "fits every request", "give operation, tag, class or contains, or set ttl of the cache")
			}
		}
	}
}

// semantic checks the models that a semantic cache asks.
func (v *validator) semantic(m *Model, s *Semantic, path string) {
	if s == nil {
		return
	}
	for _, ask := range []struct{ key, model string }{{"embed", s.Embed}, {"judge", s.Judge}} {
		if ask.model == "" {
			continue
		}
		known := false
		for i := range v.c.Models {
			o := &v.c.Models[i]
			known = known || o.Name == ask.model || slices.Contains(o.Aliases, ask.model)
		}
		switch {
		case !known:
			v.blame(path+"."+ask.key, fmt.Sprintf("there is no model %q", ask.model), "name a model of this file")
		case ask.key == "embed" && (ask.model == m.Name || slices.Contains(m.Aliases, ask.model)):
			v.blame(path+".embed", "is the model itself, whose answers are no vectors", "name a model of this file that answers /v1/embeddings")
		}
	}
}
