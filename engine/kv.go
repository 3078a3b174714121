package engine

// blocks counts the KV blocks of a replica. Blocks that nobody uses but whose
// content is still known (prefix cache) are free to take.
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

// of is how many blocks hold that many tokens.
func (b *blocks) of(tokens int) int { return (tokens + b.tokens - 1) / b.tokens }

// room is how many blocks can be taken.
func (b *blocks) room() int { return b.free + b.prefix.idle*b.prefix.size }

// used is how many blocks are in use.
func (b *blocks) used() int { return b.total - b.room() }

// take takes n blocks, at most room: free ones first, then those of the prefix
// nobody has used for longest.
func (b *blocks) take(n int) {
	for b.free < n {
		b.prefix.evict()
		b.free += b.prefix.size
	}
	b.free -= n
}

// forget frees every block that only the prefix cache holds.
func (b *blocks) forget() {
	for b.prefix.idle > 0 {
		b.prefix.evict()
		b.free += b.prefix.size
	}
}

// give gives n unnamed blocks back.
func (b *blocks) give(n int) { b.free += n }
