package dispatch

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

// A memory is a list of names, the most recently used first, and for one prompt
// its start before its end.
func TestAMemoryForgetsTheEndsOfOldPromptsFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.IntRange(1, 8).Draw(t, "room")
		var m memory
		var list []uint64
		for range rapid.IntRange(1, 30).Draw(t, "prompts") {
			var names []uint64
			for i := range rapid.IntRange(0, 10).Draw(t, "blocks") {
				branch := rapid.IntRange(0, 1).Draw(t, "branch") // every beginning has two continuations
				before := uint64(0)
				if i > 0 {
					before = names[i-1]
				}
				names = append(names, mix(before*2+uint64(branch)+1))
			}
			known := 0
			for known < len(names) && slices.Contains(list, names[known]) {
				known++
			}
			if have := m.known(names); have != known {
				t.Fatalf("of %v it knows %d, want %d", names, have, known)
			}
			m.learn(names, room)
			fresh := slices.Clone(names[:min(len(names), room)])
			list = append(fresh, slices.DeleteFunc(list, func(n uint64) bool { return slices.Contains(fresh, n) })...)
			list = list[:min(len(list), room)]
		}
	})
}

// chat makes a core with that many replicas, and a func that sends one request
// of a conversation, that many blocks of 100 tokens long.
func chat(replicas int) (*Core, func(conversation, blocks int) Verdict) {
	c := New(Options{PrefixBlock: 100, Deployments: []Deployment{{Name: "d", Weight: 1, CacheTokens: 10_000}}}, 1)
	var ids []string
	for i := range replicas {
		ids = append(ids, fmt.Sprint("r", i))
	}
	c.Replicas(epoch, "d", ready(ids...))
	id := uint64(0)
	return c, func(conversation, blocks int) Verdict {
		id++
		r := Request{ID: id, Prompt: 100*blocks + 50, Output: 10}
		for i := range blocks {
			r.Prefix = append(r.Prefix, mix(uint64(1000*conversation+i)))
		}
		return c.Arrive(epoch, r)[0]
	}
}

func TestATurnGoesWhereTheTurnsBeforeItAre(t *testing.T) {
	c, send := chat(4)
	at := map[int]string{}
	id := uint64(0)
	for turn := range 5 {
		for n := range 12 {
			v := send(n, 2+turn)
			id++
			if turn > 0 && (v.Replica != at[n] || v.Known != 100*(1+turn)) {
				t.Errorf("turn %d of conversation %d went to %s, which knows %d, the one before to %s", turn, n, v.Replica, v.Known, at[n])
			}
			at[n] = v.Replica
			c.Done(epoch, id, OK, weir.Usage{})
		}
	}
	// A restarted replica remembers nothing.
	c.Replicas(epoch, "d", []weir.Replica{{ID: at[0], State: weir.Starting}})
	c.Replicas(epoch, "d", ready(at[0]))
	if v := send(0, 3); v.Known != 0 {
		t.Errorf("a new process is believed to know %d tokens", v.Known)
	}
}

// Every request goes where its prefill costs least: the queue there is never
// longer than twice the saved tokens.
func TestARequestFollowsItsBeginningAsLongAsThatPays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, send := chat(4)
		var open []uint64
		for id := uint64(1); id <= rapid.Uint64Range(1, 60).Draw(t, "requests"); id++ {
			conversation, blocks := rapid.IntRange(0, 3).Draw(t, "conversation"), rapid.IntRange(0, 12).Draw(t, "blocks")
			before, known := map[string]int{}, map[string]int{}
			for _, r := range c.deployments[0].replicas {
				var names []uint64
				for i := range blocks {
					names = append(names, mix(uint64(1000*conversation+i)))
				}
				before[r.id], known[r.id] = r.prefill, 100*r.memory.known(names)
			}
			v := send(conversation, blocks)
			open = append(open, id)
			for r, prefill := range before {
				if blocks > 0 && prefill-again*known[r] < before[v.Replica]-again*known[v.Replica] {
					t.Fatalf("%d tokens wait at %s, which knows %d, and %d at %s, which knows %d: it went to %s",
						before[v.Replica], v.Replica, known[v.Replica], prefill, r, known[r], v.Replica)
				}
			}
			if v.Known != known[v.Replica] {
				t.Fatalf("%s knows %d, said was %d", v.Replica, known[v.Replica], v.Known)
			}
			if len(open) > 8 {
				c.FirstToken(epoch, open[0])
				c.Done(epoch, open[0], OK, weir.Usage{})
				open = open[1:]
			}
		}
	})
}

// BenchmarkPrefix is a turn of one of a thousand conversations of 16 blocks.
func BenchmarkPrefix(b *testing.B) {
	for _, replicas := range []int{4, 64, 1000} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) {
			c, send := chat(replicas)
			id := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				id++
				send(int(id*7919%1000), 16)
				c.Done(epoch, id, OK, weir.Usage{})
			}
		})
	}
}
