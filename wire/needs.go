package wire

import (
	"slices"

	"weir"
	"weir/dispatch"
)

// supported are the words allowed in a deployment's supports.
var supported = map[string]dispatch.Needs{
	"chat":        dispatch.Operation(weir.OpChat),
	"completions": dispatch.Operation(weir.OpCompletions),
	"embeddings":  dispatch.Operation(weir.OpEmbeddings),
	"responses":   dispatch.Operation(weir.OpResponses),
	"messages":    dispatch.Operation(weir.OpMessages),
	"images":      dispatch.Images,
	"audio":       dispatch.Audio,
	"tools":       dispatch.Tools,
}

// lacks are the needs missing from a deployment's supports. A deployment
// without supports lacks nothing that is known.
func lacks(supports []string) (missing dispatch.Needs) {
	if len(supports) == 0 {
		return 0
	}
	for word, need := range supported { // order does not show
		if !slices.Contains(supports, word) {
			missing |= need
		}
	}
	return missing
}
