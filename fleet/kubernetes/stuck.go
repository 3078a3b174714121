package kubernetes

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// short is the shortage found when more replicas were last requested.
type short struct {
	most    int    // the number the cluster did give
	why     reason // in the cluster's own words
	until   time.Time
	wait    time.Duration // its length, growing each time
	onNodes int           // the room on nodes then: with more it ends
}

// A number the cluster could not give is not requested again for this long,
// doubled each time.
const (
	shortFirst = time.Minute
	shortMost  = 10 * time.Minute
)

// absentGrace is how long a controller may take to create a pod before Weir
// asks why.
const absentGrace = 5 * time.Second

// stuck are the pods without a node for too long, the newest first; where the
// highest numbers go first, only those of them with the highest. The lock is
// held.
func (w *workload) stuck(now time.Time) []member {
	ms := slices.DeleteFunc(w.members(now), func(m member) bool { return m.leaving })
	slices.Reverse(ms)
	if w.d.inOrder() {
		slices.SortFunc(ms, func(a, b member) int { return cmp.Compare(b.ordinal, a.ordinal) })
	}
	var out []member
	for _, m := range ms {
		since, _, ok := unscheduled(m.p.obj)
		if ok = ok && now.Sub(since) >= w.d.PendingTimeout; ok {
			out = append(out, m)
		} else if w.d.inOrder() {
			break
		}
	}
	return out
}

// missing says whether pods of the number have not been created for too long.
// The lock is held.
func (w *workload) missing(now time.Time) bool {
	there := 0
	for _, p := range w.pods {
		if !p.over() && p.gone.IsZero() {
			there++
		}
	}
	grace := absentGrace
	if w.blocked != "" {
		grace = 0
	}
	return there < w.wrote && now.Sub(w.created) > grace && now.Sub(w.looked) > absentGrace
}

// giveUp lowers the number by the pods that will not come, and remembers why.
func (w *workload) giveUp(ctx context.Context, t *target, s *autoscalingv1.Scale, now time.Time) error {
	n := int(s.Spec.Replicas)
	w.mu.Lock()
	stuck, missing, blocked := w.stuck(now), w.missing(now), w.blocked
	absent := w.absent(w.members(now), n)
	if missing {
		w.looked = now
	}
	w.mu.Unlock()

	stuck, because, err := w.hopeless(ctx, stuck, now)
	if err != nil {
		return err
	}
	if !missing {
		absent = 0
	}
	if absent > 0 {
		refused, err := w.refused(ctx, blocked, now)
		if err != nil {
			return err
		}
		if refused.why == "" {
			absent = 0 // its controller creates them in its own order
		} else {
			because = refused
		}
	}
	by := absent + len(stuck)
	if by == 0 {
		return nil
	}
	onNodes, _ := w.onNodes()
	if _, err := w.write(ctx, t, s, n-by); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range stuck {
		m.p.gone = now
	}
	w.short = w.short.again(now, n-by, because, onNodes)
	w.f.o.Log.Warn("replicas cannot come: not asked for again for a while", "deployment", w.d.Name,
		"replicas", by, "left", n-by, "why", because.why, "detail", because.text, "for", w.short.wait)
	return nil
}

// fallShort is giveUp where another program writes the number: Weir decides on no
// more than did come, and that program follows.
func (w *workload) fallShort(ctx context.Context, now time.Time) error {
	w.mu.Lock()
	stuck, have, is := w.stuck(now), len(w.members(now)), now.Before(w.short.until)
	w.mu.Unlock()
	if len(stuck) == 0 || is {
		return nil
	}
	stuck, why, err := w.hopeless(ctx, stuck, now)
	if err != nil || len(stuck) == 0 {
		return err
	}
	onNodes, _ := w.onNodes()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.short = w.short.again(now, have-len(stuck), why, onNodes)
	w.f.o.Log.Warn("replicas cannot come: not decided on again for a while", "deployment", w.d.Name,
		"replicas", len(stuck), "left", w.short.most, "why", why.why, "detail", why.text, "for", w.short.wait)
	return nil
}

// again is the next shortage after s.
func (s short) again(now time.Time, most int, why reason, onNodes int) short {
	wait := shortFirst
	if s.wait > 0 && now.Sub(s.until) < shortMost {
		wait = min(shortMost, 2*s.wait)
	}
	return short{most: most, why: why, until: now.Add(wait), wait: wait, onNodes: onNodes}
}

// replicaFailure is the workload's own condition about pods it cannot create,
// or "".
func replicaFailure(o map[string]any) string {
	list, _, _ := unstructured.NestedSlice(o, "status", "conditions")
	for _, x := range list {
		c, ok := x.(map[string]any)
		if ok && c["type"] == "ReplicaFailure" && c["status"] == "True" {
			message, _ := c["message"].(string)
			return strings.TrimSpace(message)
		}
	}
	return ""
}
