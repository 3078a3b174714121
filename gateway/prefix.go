package gateway

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// A prompt is named by blocks of its JSON as it came: a caller that
// sends a conversation again, one turn longer, sends the same bytes first. So nothing
// is tokenised or parsed for it, and blocks that are equal here are equal to every
// server.
const (
	// prefixBlock is the tokens of one block: what a prefill of one step takes, so
	// that what is worth less than a block is not worth a detour.
	prefixBlock = 512
	blockBytes  = prefixBlock * bytesPerToken
	// maxBlocks bounds what is named of one prompt: two million tokens.
	maxBlocks = 4096
)

// prefix names the whole blocks that the prompt begins with; nil unless the
// model's requests meet by them. The core may read it until the request ends.
func (c *call) prefix() []uint64 {
	if c.booking.served.affinity != ByPrefix {
		return nil
	}
	c.names = c.ask.blocks(c.body, c.names[:0])
	return c.names
}

// blocks appends the names. What a chat template puts before the messages is in
// all of them; so equal names are equal beginnings.
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

// chain names what b adds to all before it.
func chain(h uint64, b []byte) uint64 {
	return (bits.RotateLeft64(h, 23) ^ xxhash.Sum64(b)) * 0x9e3779b97f4a7c15
}
