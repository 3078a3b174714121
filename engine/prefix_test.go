package engine

import (
	"testing"

	"pgregory.net/rapid"

	"weir"
)

// serveOne plays a request to its end and returns how many tokens of its prompt
// were found in the cache.
func serveOne(t interface{ Fatal(...any) }, r *Replica, q Request) int {
	before := r.Load().CachedTokens
	if err := r.Arrive(r.now, q); err != nil {
		t.Fatal(err)
	}
	for r.Next() != 0 {
		r.Advance(r.Next())
	}
	return int(r.Load().CachedTokens - before)
}

// conversation returns the names of a prompt's blocks in a family: each name
// stands for all blocks before it too.
func conversation(family uint64, blocks int) []uint64 {
	var names []uint64
	for k := range uint64(blocks) {
		names = append(names, family<<32|k)
	}
	return names
}

// While everything fits, a block is computed once: of each prompt the cache has
// the longest beginning of any earlier prompt, but never its last token.
func TestWhatFitsIsComputedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := 16 * rapid.IntRange(1, 4).Draw(t, "blocks per name")
		r := New(Spec{Speed: tick, KVTokens: 1 << 20, PrefixCache: true, PrefixTokens: size})
		seen := map[uint64]int{} // names of a family's beginning that are known
		for id := range uint64(rapid.IntRange(1, 30).Draw(t, "requests")) {
			family := rapid.Uint64Range(1, 4).Draw(t, "family")
			named := rapid.IntRange(0, 6).Draw(t, "named")
			prompt := max(1, named*size+rapid.IntRange(-size, 2*size).Draw(t, "more"))
			want := min(seen[family], named, (prompt-1)/size) * size
			have := serveOne(t, r, Request{ID: id, Prompt: prompt, Output: 2, Prefix: conversation(family, named)})
			if have != want {
				t.Fatalf("request %d of family %d: %d of %d prompt tokens cached, want %d", id, family, have, prompt, want)
			}
			seen[family] = max(seen[family], min(named, prompt/size))
		}
		if l := r.Load(); l.KVUsedTokens != 0 {
			t.Fatalf("an idle replica holds %d tokens", l.KVUsedTokens)
		}
	})
}

// With room for two conversations, the least recently used one goes, from its
// end.
func TestThePrefixUnusedForLongestGoesFirst(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 16 * 12, PrefixCache: true})
	ask := func(family uint64, blocks, want int) {
		t.Helper()
		q := Request{ID: uint64(r.now) + 1, Prompt: 16*blocks + 8, Output: 1, Prefix: conversation(family, blocks)}
		if have := serveOne(t, r, q); have != want*16 {
			t.Errorf("family %d: %d tokens cached, want %d", family, have, want*16)
		}
	}
	ask(1, 5, 0)
	ask(2, 5, 0)
	ask(1, 5, 5) // 2 is now the older
	ask(3, 3, 0) // takes 2 unused blocks, and 2 from the end of 2
	ask(1, 5, 5)
	ask(2, 5, 3)
}

// The blocks of a running request are not evicted for a waiting one.
func TestAPrefixInUseStays(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 16 * 8, PrefixCache: true})
	arrive := func(at weir.Instant, q Request) {
		t.Helper()
		if err := r.Arrive(at, q); err != nil {
			t.Fatal(err)
		}
	}
	arrive(0, Request{ID: 1, Prompt: 70, Output: 9, Prefix: conversation(1, 4)})
	arrive(ms(85), Request{ID: 2, Prompt: 60, Output: 1, Prefix: conversation(2, 3)}) // 4 blocks: no room while 1 runs
	arrive(ms(85), Request{ID: 3, Prompt: 66, Output: 1, Prefix: conversation(1, 4)})
	for r.Next() != 0 {
		for _, e := range r.Advance(r.Next()) {
			if e.ID != 1 && e.At < ms(160) {
				t.Errorf("%d: %v at %v, while the first held the room", e.ID, e.Kind, e.At.Sub(0))
			}
		}
	}
	if l := r.Load(); l.Preemptions != 0 || l.CachedTokens == 0 {
		t.Errorf("%d preemptions, %d tokens cached: want none, and some", l.Preemptions, l.CachedTokens)
	}
}
