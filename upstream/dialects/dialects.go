// Package dialects lists the protocols that Weir speaks, and finds one by its name. No
// other package names them all.
package dialects

import (
	"weir/upstream"
	"weir/upstream/anthropic"
	"weir/upstream/azure"
	"weir/upstream/openai"
)

// All are the protocols, in the order in which they are matched against a path: the
// Messages API is below OpenAI's /v1/.
func All() []upstream.Dialect {
	return []upstream.Dialect{
		anthropic.Dialect{},
		azure.Dialect{},
		openai.Dialect{},
	}
}

// Of is the protocol with that name; nil: there is none.
func Of(name string) upstream.Dialect {
	for _, d := range All() {
		if d.Name() == name {
			return d
		}
	}
	return nil
}
