package engine

// blocks counts the KV blocks of a replica. Unused blocks with known content
// (prefix cache) are free to take.
type blocks struct {
	tokens int // per block
	total  int
	free   int // never used, or freed without a name
	prefix prefixCache
}

func newBlocks(s Spec) blocks {
	total := s.KVTokens / s.BlockTokens
	b := blocks{tokens: s.BlockTokens, total: total, free: total}
	if s.PrefixCache {
		b.prefix = newPrefixCache(s.PrefixTokens / s.BlockTokens)
	}
	return b
}

// of returns how many blocks hold that many tokens.
func (b *blocks) of(tokens int) int { return (tokens + b.tokens - 1) / b.tokens }

// room returns how many blocks can be taken.
func (b *blocks) room() int { return b.free + b.prefix.idle*b.prefix.size }

// used returns how many blocks are in use.
func (b *blocks) used() int { return b.total - b.room() }

// take takes n blocks, at most room: free ones first, then the least recently
// used ones of the prefix cache.
func (b *blocks) take(n int) {
	for b.free < n {
		b.prefix.evict()
		b.free += b.prefix.size
	}
	b.free -= n
}

// forget frees every block held only by the prefix cache.
func (b *blocks) forget() {
	for b.prefix.idle > 0 {
		b.prefix.evict()
		b.free += b.prefix.size
	}
}

// give returns n unnamed blocks.
func (b *blocks) give(n int) { b.free += n }
