package engine

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/internal/story"
)

// TestStories plays the scripts of testdata/stories and compares the events
// with the text below their line of dashes; -update writes it there.
//
// A script makes a replica whose step takes 10 ms and 1 ms a prompt token, and
// gives it requests; "look" prints its content.
func TestStories(t *testing.T) {
	story.Play(t, "testdata/stories/*.txt", 1, func(t *testing.T, text string) string {
		script, _, _ := strings.Cut(text, "----\n")
		return script + "----\n" + tell(t, script)
	})
}

type teller struct {
	t   *testing.T
	r   *Replica
	out strings.Builder
}

func tell(t *testing.T, script string) string {
	s := &teller{t: t}
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		s.line(words)
	}
	s.advance(farAway)
	return s.out.String()
}

func (s *teller) line(words []string) {
	if words[0] == "replica" {
		a := s.args(words[1:])
		s.r = New(Spec{
			Speed: tick, MaxSeqs: a["seqs"], MaxBatchTokens: a["budget"], KVTokens: a["kv"],
			BlockTokens: a["block"], PrefixCache: a["prefix"] > 0, Async: a["async"] > 0, PrefillFirst: a["prefillfirst"] > 0,
			Load: time.Duration(a["load"]) * time.Millisecond,
		})
		s.r.Start(0)
		return
	}
	at, err := strconv.Atoi(strings.TrimSuffix(words[0], "ms"))
	if err != nil {
		s.t.Fatalf("%v: a line begins with a time", words)
	}
	now := ms(int64(at))
	s.advance(now)
	switch words[1] {
	case "arrive":
		s.arrive(now, words[2:])
	case "cancel":
		s.r.Cancel(now, s.id(words[2]))
	case "drain":
		s.r.Drain()
	case "look":
		l := s.r.Load()
		fmt.Fprintf(&s.out, "%6dms running %d, waiting %d, KV %d of %d tokens\n", at, l.Running, l.Waiting, l.KVUsedTokens, l.KVTokens)
	default:
		s.t.Fatalf("%v: what is %q?", words, words[1])
	}
}

func (s *teller) arrive(now weir.Instant, words []string) {
	a := s.args(words[1:])
	q := Request{ID: s.id(words[0]), Prompt: a["prompt"], Output: a["output"]}
	for k := range a["shared"] {
		q.Prefix = append(q.Prefix, uint64(k))
	}
	if err := s.r.Arrive(now, q); err != nil {
		fmt.Fprintf(&s.out, "%6dms %d refused: %v\n", now.Sub(0).Milliseconds(), q.ID, err)
	}
}

func (s *teller) advance(to weir.Instant) {
	for at := s.r.Next(); at != 0 && at <= to; at = s.r.Next() {
		for _, e := range s.r.Advance(at) {
			fmt.Fprintf(&s.out, "%6dms %d %v\n", e.At.Sub(0).Round(time.Millisecond).Milliseconds(), e.ID, e.Kind)
		}
	}
	s.r.Advance(min(to, max(s.r.now, to)))
}

func (s *teller) id(word string) uint64 {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// args reads "seqs=2 async".
func (s *teller) args(words []string) map[string]int {
	m := map[string]int{}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok {
			value = "1"
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			s.t.Fatalf("%q: %v", w, err)
		}
		m[key] = n
	}
	return m
}
