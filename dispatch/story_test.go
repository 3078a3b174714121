package dispatch

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/internal/story"
)

// TestStories plays testdata/*.txt. A line is a command; the indented lines
// below it are the Core's answer. Between commands the Core is woken whenever
// it asked for it.
func TestStories(t *testing.T) { story.Play(t, "testdata/*.txt", 12, retell) }

// teller plays one file.
type teller struct {
	t    *testing.T
	o    Options
	core *Core
	out  strings.Builder
}

func retell(t *testing.T, text string) string {
	s := &teller{t: t}
	story.Lines(text, &s.out, func(line string, words []string) { s.do(words, line) })
	return s.out.String()
}

func (s *teller) do(f []string, line string) {
	s.t.Helper()
	at, err := time.ParseDuration(f[0])
	if err != nil { // options come without a time
		s.out.WriteString(line + "\n")
		s.option(f)
		return
	}
	now := weir.Instant(time.Hour) + weir.Instant(at) // stories begin at one o'clock: zero means "not set"
	if s.core == nil {
		s.core = New(s.o, 1)
	}
	for n := s.core.Next(); n != 0 && n <= now; n = s.core.Next() {
		s.say(fmt.Sprintf("%v: ", n.Sub(weir.Instant(time.Hour))), s.core.Wake(n))
	}
	s.out.WriteString(line + "\n")
	s.say("", s.event(now, f[1], f[2:]))
}

// event applies one event to the Core.
func (s *teller) event(now weir.Instant, verb string, args []string) []Verdict {
	switch verb {
	case "replicas":
		var rs []weir.Replica
		for _, a := range args[1:] {
			id, state, _ := strings.Cut(a, "=")
			state, fails, _ := strings.Cut(state, "/")
			id, units, _ := strings.Cut(id, "*")
			behind, _ := strconv.Atoi(units)
			failed, _ := strconv.Atoi(fails)
			rs = append(rs, weir.Replica{ID: id, State: s.state(state), FailedStarts: failed, Detail: fails, Units: behind})
		}
		return s.core.Replicas(now, args[0], rs)
	case "short": // why, and after how long the place is asked again; nothing: it gives replicas again
		short := Shortage{}
		if len(args) > 1 {
			short = Shortage{Why: args[1], Text: "its words", Again: now.Add(s.dur(args[2]))}
		}
		return s.core.Short(now, args[0], short)
	case "arrive":
		return s.core.Arrive(now, s.request(now, args))
	case "first":
		s.core.FirstToken(now, s.id(args))
	case "done":
		return s.core.Done(now, s.id(args), s.result(args), weir.Usage{
			Prompt: int64(s.num(args, "in", 0)), Cached: int64(s.num(args, "cached", 0)), Completion: int64(s.num(args, "out", 0))})
	case "retry":
		return s.core.Retry(now, s.id(args), s.result(args))
	case "cancel":
		return s.core.Cancel(now, s.id(args))
	case "pushback":
		d, r, _ := strings.Cut(args[0], "/")
		s.core.PushBack(now, d, r, now.Add(s.dur(args[1])))
	case "lacks":
		s.core.Lacks(now, args[0], s.needs(args, "needs"), uint64(s.num(args, "key", 0)))
	case "limits":
		s.core.Limits(now, args[0], s.num(args, "tpm", 0), s.num(args, "rpm", 0))
	case "capacity":
		return s.core.Capacity(now, args[0], s.quota(args))
	case "configure":
		return s.core.Configure(now, s.o)
	case "wait":
	case "demand":
		s.demand(now)
	default:
		s.t.Fatalf("no verb %q", verb)
	}
	return nil
}

func (s *teller) say(when string, vs []Verdict) {
	for _, v := range vs {
		fmt.Fprintf(&s.out, "  %s%d ", when, v.ID)
		if v.Kind == Grant {
			fmt.Fprintf(&s.out, "-> %s/%s: %s", v.Deployment, v.Replica, v.Reason)
		} else {
			fmt.Fprintf(&s.out, "refused: %s, come back in %v", v.Reason, v.RetryAfter.Round(time.Millisecond))
		}
		for _, p := range v.Passed {
			if p.Reason != Full && v.Kind == Grant {
				fmt.Fprintf(&s.out, ", not %s: %s", p.Deployment, p.Reason)
			}
		}
		if v.Queued > 0 {
			fmt.Fprintf(&s.out, ", waited %v", v.Queued)
		}
		if v.Ahead > 0 {
			fmt.Fprintf(&s.out, ", %d ahead", v.Ahead)
		}
		s.out.WriteByte('\n')
	}
}

func (s *teller) demand(now weir.Instant) {
	d := s.core.Demand(now)
	fmt.Fprintf(&s.out, "  arrived %d granted %d completed %d failed %d refused %d cancelled %d, waiting %d with %d tokens, the oldest for %v\n",
		d.Arrived, d.Granted, d.Completed, d.Failed, d.Refused, d.Cancelled, d.Waiting, d.WaitingWork, d.HeadAge)
	for _, x := range d.Deployments {
		fmt.Fprintf(&s.out, "  %s: granted %d, in flight %d with %d tokens:", x.Name, x.Granted, x.InFlight, x.InFlightWork)
		for _, r := range x.PerReplica {
			fmt.Fprintf(&s.out, " %s %d/%d", r.ID, r.InFlight, r.Work)
		}
		if x.QuotaUse > 0 {
			fmt.Fprintf(&s.out, ", quota %.0f %%", 100*x.QuotaUse)
		}
		s.out.WriteByte('\n')
	}
}

func (s *teller) option(f []string) {
	switch f[0] {
	case "deployment":
		d := Deployment{Name: f[1], Tier: s.num(f, "tier", 0), Weight: s.num(f, "weight", 1),
			MaxRequests: s.num(f, "requests", 0), MaxWork: s.num(f, "work", 0), Elastic: s.val(f, "elastic") != "",
			Paid: s.val(f, "paid") != "", Lacks: s.needs(f, "lacks"), Context: s.num(f, "context", 0),
			Quota: s.quota(f)}
		for i := range s.o.Deployments {
			if s.o.Deployments[i].Name == d.Name {
				s.o.Deployments[i] = d
				return
			}
		}
		s.o.Deployments = append(s.o.Deployments, d)
	case "remove":
		for i := range s.o.Deployments {
			if s.o.Deployments[i].Name == f[1] {
				s.o.Deployments = append(s.o.Deployments[:i:i], s.o.Deployments[i+1:]...)
				return
			}
		}
	case "queue":
		s.o.Queue = Queue{MaxWork: s.num(f, "work", 0), MaxRequests: s.num(f, "requests", 0),
			MaxWait: s.dur(s.val(f, "wait")), MaxWaitCold: s.dur(s.val(f, "cold")), BatchWait: s.dur(s.val(f, "batch"))}
	case "share":
		if s.o.Shares == nil {
			s.o.Shares = map[string]int{}
		}
		s.o.Shares[f[1]] = s.num(f, "weight", 1)
	case "attempts":
		s.o.Attempts = s.num(f, "max", 0)
	default:
		s.t.Fatalf("neither a time nor an option: %q", f[0])
	}
}

func (s *teller) quota(f []string) Quota {
	return Quota{Drain: s.num(f, "drain", 0), Output: s.num(f, "outweight", 0), Burst: s.dur(s.val(f, "burst")), Headroom: s.num(f, "headroom", 0),
		TokensPerMinute: s.num(f, "tpm", 0), RequestsPerMinute: s.num(f, "rpm", 0)}
}

func (s *teller) request(now weir.Instant, args []string) Request {
	r := Request{ID: s.id(args), Tenant: s.val(args, "tenant"), Prompt: s.num(args, "prompt", 90), Output: s.num(args, "output", 10)}
	if s.val(args, "batch") != "" {
		r.Class = weir.Batch
	}
	if d := s.val(args, "deadline"); d != "" {
		r.Deadline = now.Add(s.dur(d))
	}
	if d := s.val(args, "patience"); d != "" {
		r.SpillAt = now.Add(s.dur(d))
	}
	r.MaxOutput = s.num(args, "max", 0)
	r.Key, r.Needs = uint64(s.num(args, "key", 0)), s.needs(args, "needs")
	return r
}

func (s *teller) result(args []string) Result {
	for i, name := range []string{"ok", "unhealthy", "throttled", "rejected", "abandoned", "toolong", "unreachable", "unavailable", "incapable"} {
		if len(args) > 1 && args[1] == name {
			return Result(i)
		}
	}
	return OK
}

// needs reads a list such as chat+images.
func (s *teller) needs(args []string, key string) (n Needs) {
	for _, word := range strings.Split(s.val(args, key), "+") {
		switch word {
		case "":
		case "images":
			n |= Images
		case "audio":
			n |= Audio
		case "tools":
			n |= Tools
		case "chat":
			n |= Operation(weir.OpChat)
		case "embeddings":
			n |= Operation(weir.OpEmbeddings)
		default:
			s.t.Fatalf("no need is called %q", word)
		}
	}
	return n
}

func (s *teller) state(name string) weir.ReplicaState {
	for _, st := range []weir.ReplicaState{weir.Starting, weir.Ready, weir.Draining, weir.Failed} {
		if st.String() == name {
			return st
		}
	}
	return weir.Ready
}

func (s *teller) id(args []string) uint64 {
	n, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// val returns the value of key=value in args, or the key itself if it has no
// value.
func (s *teller) val(args []string, key string) string {
	for _, a := range args {
		if a == key {
			return key
		}
		if v, ok := strings.CutPrefix(a, key+"="); ok {
			return v
		}
	}
	return ""
}

func (s *teller) num(args []string, key string, otherwise int) int {
	v := s.val(args, key)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *teller) dur(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}
