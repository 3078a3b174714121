// Package dialects lists the protocols that Weir speaks: a line each. It is where one
// is found by its name; nothing else names them all.
package dialects

import (
	"weir/upstream"
	"weir/upstream/anthropic"
	"weir/upstream/azure"
	"weir/upstream/openai"
)

// All are the protocols, in the order in which they are asked whose a path is: the
// Messages API lies below OpenAI's /v1/.
func All() []upstream.Dialect {
	return []upstream.Dialect{
		anthropic.Dialect{},
		azure.Dialect{},
		openai.Dialect{},
	}
}

// Of is the protocol of a name; nil: there is none.
func Of(name string) upstream.Dialect {
	for _, d := range All() {
		if d.Name() == name {
			return d
		}
	}
	return nil
}
