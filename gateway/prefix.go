package gateway

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// A prompt is hashed in blocks of its raw JSON. A caller that sends a conversation
// again, one turn longer, begins with the same bytes, so nothing needs to be tokenised
// or parsed. Blocks that are equal here are equal to every server.
const (
	// prefixBlock is the tokens of one block: about one step of a prefill. Saving less is
	// not worth a detour.
	prefixBlock = 512
	blockBytes  = prefixBlock * bytesPerToken
	// maxBlocks bounds the blocks of one prompt: two million tokens.
	maxBlocks = 4096
)

// prefix hashes the whole blocks that the prompt begins with; nil unless the model's
// affinity is ByPrefix. The core may read the slice until the request ends.
func (c *call) prefix() []uint64 {
	if c.booking.served.affinity != ByPrefix {
		return nil
	}
	c.names = c.ask.blocks(c.body, c.names[:0])
	return c.names
}

// blocks appends the hashes. A chat template puts tools and preamble before the
// messages, so every hash includes them: equal hashes mean equal beginnings.
func (a *ask) blocks(body []byte, names []uint64) []uint64 {
	var h uint64
	for _, s := range [...]span{a.tools, a.preamble} {
		h = chain(h, body[s.From:s.To])
	}
	for at := a.prompt.From; at+blockBytes <= a.prompt.To && len(names) < maxBlocks; at += blockBytes {
		h = chain(h, body[at:at+blockBytes])
		names = append(names, h)
	}
	return names
}

// chain is the hash of b after everything before it.
func chain(h uint64, b []byte) uint64 {
	return (bits.RotateLeft64(h, 23) ^ xxhash.Sum64(b)) * 0x9e3779b97f4a7c15
}
