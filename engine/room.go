package engine

// The KV blocks that decoding takes are counted without visiting the sequences.
// Each decode step adds one token to each of them. A sequence with n tokens
// when decoded is d needs a new block in the steps where n-d+decoded is a
// multiple of the block size. phase counts sequences by n-d.

func (r *Replica) phaseOf(tokens int) int {
	b := int64(r.blocks.tokens)
	return int(((int64(tokens)-r.decoded)%b + b) % b)
}

// newBlocks returns how many blocks the decode step that begins at that value
// of decoded takes.
func (r *Replica) newBlocks(decoded int64) int {
	b := int64(r.blocks.tokens)
	return int(r.phase[(b-decoded%b)%b])
}

// blocksFor returns how many blocks n decode steps take together.
func (r *Replica) blocksFor(decoded, n int64) int {
	b := int64(r.blocks.tokens)
	total := int(n/b) * r.decodes
	for k := n - n%b; k < n; k++ {
		total += r.newBlocks(decoded + k)
	}
	return total
}

// stepsWithin returns how many of at most n decode steps fit into that room.
func (r *Replica) stepsWithin(decoded, n int64, room int) int64 {
	b := int64(r.blocks.tokens)
	if (n/b+1)*int64(r.decodes) <= int64(room) {
		return n
	}
	whole := int64(room / r.decodes)
	room -= int(whole) * r.decodes
	steps := whole * b
	for steps < n {
		room -= r.newBlocks(decoded + steps)
		if room < 0 {
			break
		}
		steps++
	}
	return min(steps, n)
}
