package limits

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"weir/meter"
)

//go:embed visit.lua
var visitLua string

// keeper visits one shard again and again.
type keeper struct {
	*Shared
	shard   int
	keys    []string
	number  int64  // of the last visit
	era     string // of Redis's memory at the last visit
	cursor  string // position in the list of pressed budgets
	joined  bool
	failing bool // the last visit was not answered

	asks []meter.Ask
	args []string
}

// errStale says that a visit arrived after a later one.
var errStale = errors.New("a visit came late")

func newKeeper(s *Shared, shard int) *keeper {
	k := &keeper{Shared: s, shard: shard, cursor: "0"}
	for _, name := range []string{"budgets", "gateways", "pressed"} {
		k.keys = append(k.keys, fmt.Sprintf("{%s:%d}:%s", s.o.Prefix, shard, name))
	}
	return k
}

// keep visits a shard until ctx ends, and once more to leave.
func (s *Shared) keep(ctx context.Context, shard int) {
	k := newKeeper(s, shard)
	for ctx.Err() == nil {
		began := time.Now()
		more := k.visit(ctx, false, false)
		k.rest(ctx, began, more)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	k.leave(last)
}

// leave reports all use and gives back all leases.
func (k *keeper) leave(ctx context.Context) {
	for k.visit(ctx, false, true) && len(k.asks) == maxAsks {
	}
	k.visit(ctx, true, true)
}

// rest waits until the next visit is due.
func (k *keeper) rest(ctx context.Context, began time.Time, more bool) {
	pause := heartbeat
	if more && !k.failing {
		pause = busyEvery
	}
	t := time.NewTimer(time.Until(began.Add(pause)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return
	case <-t.C:
		return
	case <-k.wake[k.shard]:
	}
	if !k.failing {
		t.Reset(time.Until(began.Add(soonest)))
	}
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// visit asks once, for all possible leases or for those due. It says whether to
// ask again soon.
func (k *keeper) visit(ctx context.Context, leave, all bool) bool {
	k.asks = k.asks[:0]
	now := k.o.Local.Now()
	k.o.Local.Leases(func(ls *meter.Leases) { k.asks = ls.Asks(now, k.shard, k.asks, maxAsks, all) })
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := k.exec(limited, leave)
	if err == nil {
		if v.wrong != "" {
			k.healed(v.wrong)
		}
		k.apply(v)
	} else {
		k.o.Local.Leases(func(ls *meter.Leases) {
			for _, a := range k.asks {
				ls.Unheard(a)
			}
		})
	}
	if ctx.Err() == nil { // otherwise it was asked to stop
		k.heard(k.shard, v.gateways, err)
	}
	k.failing = err != nil
	return err == nil && len(k.asks) > 0
}

// answer is the reply to a visit.
type answer struct {
	era      string
	at       int64 // the server's time, ms
	gateways int
	settled  bool
	cursor   string
	pressed  []string
	grants   []int64
	wrong    string // foreign data found at the keys and deleted
}

func (k *keeper) exec(ctx context.Context, leave bool) (answer, error) {
	c, err := k.connected()
	if err != nil {
		return answer{}, err
	}
	k.number++
	k.argue(leave)
	return parse(k.script.Exec(ctx, c, k.keys, k.args), len(k.asks))
}

// argue fills in the script's arguments.
func (k *keeper) argue(leave bool) {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	ms := func(d time.Duration) string { return n(d.Milliseconds()) }
	leaves := "0"
	if leave {
		leaves = "1"
	}
	k.args = append(k.args[:0], k.id, n(k.number), k.era, k.id+n(k.number), k.cursor, ms(k.o.Lease), ms(meter.LostAfter), ms(settling), leaves)
	for i := range k.asks {
		a := &k.asks[i]
		seen := ""
		if a.Known {
			seen = n(a.Seen)
		}
		k.args = append(k.args, a.Name, n(a.Rate), n(a.Burst), n(int64(a.Keep/time.Second)), n(a.Total), n(a.Since),
			seen, n(a.SeenAt), a.SeenEra, n(a.Floor), n(a.Need), n(a.Want), n(a.Has), n(a.Demand), n(a.Lack))
	}
}

// parse reads the script's reply to that many asks.
func parse(r rueidis.RedisResult, asks int) (a answer, err error) {
	vs, err := r.ToArray()
	if err != nil {
		return a, err
	}
	if len(vs) == 1 {
		return a, errStale
	}
	if len(vs) != 8 {
		return a, fmt.Errorf("the answer has %d parts, want 8", len(vs))
	}
	var errs [8]error
	var at string
	a.era, errs[0] = vs[0].ToString()
	at, errs[1] = vs[1].ToString()
	gateways, err := vs[2].AsInt64()
	a.gateways, errs[2] = int(gateways), err
	unsettled, err := vs[3].AsInt64()
	a.settled, errs[3] = unsettled == 0, err
	a.cursor, errs[4] = vs[4].ToString()
	a.pressed, errs[5] = vs[5].AsStrSlice()
	a.grants, errs[6] = vs[6].AsIntSlice()
	a.wrong, errs[7] = vs[7].ToString()
	if err := errors.Join(errs[:]...); err != nil {
		return a, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if len(a.grants) != 5*asks {
		return a, fmt.Errorf("the answer has %d numbers for %d leases", len(a.grants), asks)
	}
	a.at, err = strconv.ParseInt(at, 10, 64)
	return a, err
}

// apply gives the leases their grants.
func (k *keeper) apply(v answer) {
	k.cursor = v.cursor
	forgot := k.era != "" && k.era != v.era
	k.era = v.era
	heard := k.o.Local.Now()
	k.o.Local.Leases(func(ls *meter.Leases) {
		for i, a := range k.asks {
			g := v.grants[5*i : 5*i+5]
			ls.Granted(heard, a, meter.Grant{Hold: g[0], Credit: g[1], Level: g[2], At: v.at, Era: v.era, Yield: g[3] != 0, Part: g[4], Settled: v.settled})
		}
		ls.Contact(heard, k.shard, v.gateways, v.settled)
		ls.Pressed(heard, v.pressed)
		if forgot {
			ls.Revisit(k.shard)
		}
	})
	if !k.joined {
		k.joined = true
		if k.waiting.Add(-1) == 0 {
			close(k.Shared.joined)
		}
	}
}
