package dispatch

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

// conversations makes a core with that many replicas, and a func that sends one
// request of a conversation and returns its replica.
func conversations(replicas int) (*Core, func(conversation, prompt int) string) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1}}}, 1)
	var ids []string
	for i := range replicas {
		ids = append(ids, fmt.Sprint("r", i))
	}
	c.Replicas(epoch, "d", ready(ids...))
	id := uint64(0)
	return c, func(conversation, prompt int) string {
		id++
		return c.Arrive(epoch, Request{ID: id, Prompt: prompt, Output: 10, Affinity: mix(uint64(conversation) + 1)})[0].Replica
	}
}

func TestAConversationStaysAtItsReplica(t *testing.T) {
	c, send := conversations(8)
	at := map[int]string{}
	used := map[string]int{}
	for n := range 100 {
		at[n] = send(n, 100)
		used[at[n]]++
		c.Done(epoch, uint64(n+1), OK, weir.Usage{})
	}
	for n := range 100 {
		if r := send(n, 100); r != at[n] {
			t.Errorf("conversation %d went to %s and then to %s", n, at[n], r)
		}
		c.Done(epoch, uint64(101+n), OK, weir.Usage{})
	}
	if len(used) != 8 {
		t.Errorf("of 8 replicas %d are used", len(used))
	}
	// With one replica gone, only its conversations move.
	c.Replicas(epoch, "d", ready("r0", "r1", "r2", "r3", "r4", "r5", "r6"))
	for n := range 100 {
		if r := send(n, 100); at[n] != "r7" && r != at[n] {
			t.Errorf("conversation %d moved from %s to %s", n, at[n], r)
		}
		c.Done(epoch, uint64(201+n), OK, weir.Usage{})
	}
}

// However unevenly requests share affinities, none goes to a replica that is
// behind the least loaded one by more than its prompt.
func TestAffinityNeverCostsMoreThanItSaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, send := conversations(4)
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			prompt := rapid.IntRange(0, 2000).Draw(t, "prompt")
			before := map[string]int{}
			least := noLimit
			for _, r := range c.deployments[0].replicas {
				before[r.id] = r.work
				least = min(least, r.work)
			}
			if r := send(rapid.IntRange(0, 2).Draw(t, "conversation"), prompt); before[r]-least > prompt {
				t.Fatalf("it went to %s with %d tokens before it, another had %d, its prompt has %d", r, before[r], least, prompt)
			}
		}
	})
}
