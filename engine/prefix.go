package engine

// prefixCache remembers which named blocks of prompts are in the KV cache, who
// uses them, and which of the unused ones was used least recently. A named
// block spans size KV blocks.
type prefixCache struct {
	size  int          // KV blocks per name; 0: no cache
	idle  int          // names nobody uses
	nodes []prefixNode // 0 is the head of the ring of idle names, oldest next
	spare []int32      // freed nodes
	named map[uint64]int32
}

type prefixNode struct {
	name       uint64
	users      int
	prev, next int32 // in the ring, while users is 0
}

func newPrefixCache(size int) prefixCache {
	return prefixCache{size: size, nodes: make([]prefixNode, 1), named: make(map[uint64]int32)}
}

// hits is how many leading names are in the cache, and how many of those are
// in use already (so that using them takes nothing from the room).
func (c *prefixCache) hits(names []uint64) (hit, shared int) {
	for _, name := range names {
		i, ok := c.named[name]
		if !ok {
			break
		}
		hit++
		if c.nodes[i].users > 0 {
			shared++
		}
	}
	return hit, shared
}

// use marks a cached name as used by one more.
func (c *prefixCache) use(name uint64) {
	i := c.named[name]
	n := &c.nodes[i]
	if n.users == 0 {
		c.nodes[n.prev].next, c.nodes[n.next].prev = n.next, n.prev
		c.idle--
	}
	n.users++
}

// add names a block that was just taken, used by one. It is false when the
// name is known: the same content was computed twice, and stays unnamed.
func (c *prefixCache) add(name uint64) bool {
	if _, ok := c.named[name]; ok {
		return false
	}
	var i int32
	if k := len(c.spare); k > 0 {
		i, c.spare = c.spare[k-1], c.spare[:k-1]
	} else {
		i = int32(len(c.nodes))
		c.nodes = append(c.nodes, prefixNode{})
	}
	c.nodes[i] = prefixNode{name: name, users: 1}
	c.named[name] = i
	return true
}

// release gives up one use of each name, the last first: so the end of a
// prompt, which fewer share, is evicted before its beginning.
func (c *prefixCache) release(names []uint64) {
	for k := len(names) - 1; k >= 0; k-- {
		i := c.named[names[k]]
		n := &c.nodes[i]
		if n.users--; n.users > 0 {
			continue
		}
		last := c.nodes[0].prev
		n.prev, n.next = last, 0
		c.nodes[last].next = i
		c.nodes[0].prev = i
		c.idle++
	}
}

// evict forgets the name nobody has used for longest. There must be one.
func (c *prefixCache) evict() {
	i := c.nodes[0].next
	n := &c.nodes[i]
	c.nodes[0].next = n.next
	c.nodes[n.next].prev = 0
	delete(c.named, n.name)
	c.spare = append(c.spare, i)
	c.idle--
}
