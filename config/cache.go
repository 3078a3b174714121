package config

import (
	"fmt"
	"time"
)

// Cache bounds the memory for stored answers. Models choose what is stored by
// their own cache.
type Cache struct {
	// Memory for all stored answers of this gateway.
	Memory Size `yaml:"memory" default:"256MiB" min:"1MiB" max:"1024GiB"`
	// Largest answer that is stored.
	MaxAnswer Size `yaml:"max_answer" default:"1MiB" min:"1KiB" max:"4MiB"`
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
	for i := range v.c.Models {
		c, path := v.c.Models[i].Cache, fmt.Sprintf("models[%d].cache", i)
		if c == nil || v.badUnder(path) {
			continue
		}
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
