package engine

// prefixCache records which named blocks of prompts are in the KV cache, their
// numbers of users, and the order of use of unused ones. A named block spans
// size KV blocks.
type prefixCache struct {
	size  int          // KV blocks per name; 0: no cache
	idle  int          // names without users
	nodes []prefixNode // 0 is the head of the ring of idle names; its next is the oldest
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

// hits returns how many leading names are in the cache, and how many of those
// are in use already (their use takes nothing from the room).
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

// use adds a user to a cached name.
func (c *prefixCache) use(name uint64) {
	i := c.named[name]
	n := &c.nodes[i]
	if n.users == 0 {
		c.nodes[n.prev].next, c.nodes[n.next].prev = n.next, n.prev
		c.idle--
	}
	n.users++
}

// add names a newly taken block with one user. It returns false for a known
// name: the same content was computed twice, and the block stays unnamed.
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

// release removes one user of each name, the last name first. The end of a
// prompt, which fewer requests share, is then evicted before its beginning.
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

// evict forgets the least recently used idle name. There must be one.
func (c *prefixCache) evict() {
	i := c.nodes[0].next
	n := &c.nodes[i]
	c.nodes[0].next = n.next
	c.nodes[n.next].prev = 0
	delete(c.named, n.name)
	c.spare = append(c.spare, i)
	c.idle--
}
