package gateway

import (
	"sync"

	"weir"
	"weir/cache"
)

// claimKey is what is being asked for. A caller does not wait in the queue of another
// class.
type claimKey struct {
	cache.Key
	class weir.Class
}

// claim is a request under way that asks for some texts.
type claim struct{ over chan struct{} }

// claims are the texts that are being asked for.
type claims struct {
	mu sync.Mutex
	of map[claimKey]*claim
}

// take claims the missing texts that no request asks for. If others ask for every one of them,
// it claims nothing and returns one of those to wait for: a request that waits holds no claim, so no
// two wait for each other.
func (all *claims) take(v *vectorSearch, class weir.Class, now bool) *claim {
	all.mu.Lock()
	defer all.mu.Unlock()
	var other *claim
	free := 0
	for k := range v.places {
		if x := all.of[claimKey{k, class}]; x != nil {
			other = x
			continue
		}
		free++
	}
	if free == 0 && !now {
		return other
	}
	if all.of == nil {
		all.of = map[claimKey]*claim{}
	}
	v.claim = &claim{over: make(chan struct{})}
	for k := range v.places {
		key := claimKey{k, class}
		if all.of[key] == nil {
			all.of[key] = v.claim
			v.claimed = append(v.claimed, key)
		}
	}
	return nil
}

// drop gives the claims back and wakes those that wait for them.
func (all *claims) drop(v *vectorSearch) {
	if v == nil || v.claim == nil {
		return
	}
	all.mu.Lock()
	for _, k := range v.claimed {
		delete(all.of, k)
	}
	all.mu.Unlock()
	close(v.claim.over)
	v.claim, v.claimed = nil, nil
}

// count is how many texts are claimed.
func (all *claims) count() int {
	all.mu.Lock()
	defer all.mu.Unlock()
	return len(all.of)
}
