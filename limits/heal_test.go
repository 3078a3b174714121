package limits

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weir/limits/redistest"
)

// Foreign data at Weir's keys is reported and deleted, and the budget is
// neither granted twice nor lost.
func TestGarbageInRedisIsNamedAndHealed(t *testing.T) {
	const name, limit = "tenant=demo|tokens_per_day", 300
	redis := startRedis(t, redistest.Options{})
	for what, garbage := range map[string][]string{
		"a text for the budgets":  {"SET", "budgets", "hello"},
		"a list for the gateways": {"LPUSH", "gateways", "hello"},
		"a hash for the pressed":  {"HSET", "pressed", "a", "b"},
		"a clock that is none":    {"HSET", "gateways", "#clock", "noon"},
		"a settling of nan":       {"HSET", "gateways", "#settled", "nan"},
		"a cursor that is none":   {"HSET", "gateways", "#scan", "x"},
		"a gateway that is none":  {"HSET", "gateways", "g:me", "soon"},
		"a budget of text":        {"HSET", "budgets", name, "hello"},
		"a budget of numbers":     {"HSET", "budgets", name, "\x01"},
		"a budget of another":     {"HSET", "budgets", "tenant=other|tokens_per_day", "\x93\x01\x02\x03"},
	} {
		t.Run(what, func(t *testing.T) {
			o := at(redis)
			o.Prefix = "weir-" + strings.ReplaceAll(what, " ", "-")
			members, leases := three(t, o, window(limit))
			used := 0
			spend := func() (refused bool) {
				refused = true
				for i := range members {
					if members[i].use(leases[i], 1) {
						used++
						refused = false
					}
				}
				return refused
			}
			within(t, "half the budget to be used", func() bool { spend(); return used >= limit/2 })
			for shard := range 8 { // wherever the budget lies
				args := slices.Clone(garbage)
				args[1] = fmt.Sprintf("{%s:%d}:%s", o.Prefix, shard, garbage[1])
				if args[0] != "HSET" || garbage[1] == "pressed" {
					if _, err := redis.Do("DEL", args[1]); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := redis.Do(args...); err != nil {
					t.Fatal(err)
				}
			}
			if what != "a budget of another" { // no gateway reads it by name: it is deleted when a scan passes it
				within(t, "the garbage to be seen", func() bool {
					return slices.ContainsFunc(members, func(m *member) bool { return m.shared.Status().Healed > 0 })
				})
			}
			within(t, "the rest to be used, and no more", func() bool { return spend() && used >= limit })
			within(t, "redis to be heard by all", func() bool {
				return !slices.ContainsFunc(members, func(m *member) bool { return !m.shared.Status().Connected })
			})
			for range 20 {
				spend()
			}
			if used > limit+3 {
				t.Errorf("%d used of %d", used, limit)
			}
		})
	}
}

func TestGarbageOnTheBoardIsHealed(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	m := newMember(t, at(redis))
	key := "{" + m.shared.o.Prefix + ":board}:throttles"
	c, err := m.shared.connected()
	if err != nil {
		t.Fatal(err)
	}
	b := &board{Shared: m.shared, throttles: key}
	if _, err := redis.Do("SET", key, "hello"); err != nil {
		t.Fatal(err)
	}
	b.hearThrottles(t.Context(), c)
	if is, err := redis.Do("TYPE", key); err != nil || !strings.Contains(is, "none") || m.shared.Status().Healed != 1 {
		t.Errorf("%s, %v, %+v", is, err, m.shared.Status())
	}
	if _, err := redis.Do("ZADD", key, "inf", "d\x00r"); err != nil {
		t.Fatal(err)
	}
	if b.hearThrottles(t.Context(), c); m.shared.Status().Healed != 2 {
		t.Error("a replica is left alone for ever")
	}
}
