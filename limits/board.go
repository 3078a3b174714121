package limits

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"weir"
	"weir/meter"
)

// Quota is one gateway's bookings of a deployment's provider quota since its
// start.
type Quota struct {
	Deployment       string
	Drain            time.Duration
	Tokens, Requests int64
}

const (
	maxThrottles = 1000 // most throttles written or read at once
	maxLessons   = 1000 // entries kept in the stream, for gateways that start later
	lessonsEvery = 4    // rounds between exchanges of answers

	mostThrottled = 25 * time.Hour // no replica is throttled for longer
	quotaKept     = time.Hour
)

// board exchanges data between gateways: throttles of replicas, bookings of
// quotas and lengths of answers. None of it is exact or needs to be: it is
// written every heartbeat, and lost data is replaced by the provider's next
// refusal or the next answers.
type board struct {
	*Shared
	throttles, quotas, lessons string        // keys
	offset                     time.Duration // from this machine's clock to Redis's clock

	round   int
	written map[Quota]bool       // own totals, as last written
	seen    map[string]Quota     // of other gateways, by field
	until   map[string]time.Time // applied, by member
	lesson  string               // id of the last entry read
}

// pendingThrottles are the throttles not yet written.
type pendingThrottles struct {
	mu sync.Mutex
	by map[string]time.Time
}

// Throttled reports to the other gateways until when a replica of a deployment
// is throttled. The latest of several times wins. It never blocks.
func (s *Shared) Throttled(deployment, replica string, until weir.Instant) {
	p := &s.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	member := deployment + "\x00" + replica
	if p.by == nil {
		p.by = map[string]time.Time{}
	}
	if t := time.Now().Add(until.Sub(s.o.Local.Now())); len(p.by) < maxThrottles && t.After(p.by[member]) {
		p.by[member] = t
	}
}

// post runs the board until ctx ends.
func (s *Shared) post(ctx context.Context) {
	key := func(name string) string { return fmt.Sprintf("{%s:board}:%s", s.o.Prefix, name) }
	b := &board{Shared: s, throttles: key("throttles"), quotas: key("quotas"), lessons: key("answers"),
		written: map[Quota]bool{}, seen: map[string]Quota{}, until: map[string]time.Time{}, lesson: "0"}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		b.turn(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// turn writes and reads once. A failed part is repeated in the next turn. The
// visits report whether Redis answers.
func (b *board) turn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*patience) // several round trips; no request waits for them
	defer cancel()
	c, err := b.connected()
	if err != nil {
		return
	}
	b.round++
	if b.time(ctx, c) != nil {
		return
	}
	b.tellThrottles(ctx, c)
	b.hearThrottles(ctx, c)
	b.shareQuotas(ctx, c)
	if b.round%lessonsEvery == 0 {
		b.tellAnswers(ctx, c)
		b.hearAnswers(ctx, c)
	}
}

// time measures how far Redis's clock is ahead of this machine's. Times on the
// board are in Redis's time, because clocks differ.
func (b *board) time(ctx context.Context, c rueidis.Client) error {
	asked := time.Now()
	parts, err := c.Do(ctx, c.B().Time().Build()).AsStrSlice()
	if err != nil {
		return err
	}
	if len(parts) != 2 {
		return fmt.Errorf("TIME has %d parts", len(parts))
	}
	s, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return err
	}
	us, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return err
	}
	middle := asked.Add(time.Since(asked) / 2)
	b.offset = time.Unix(s, us*1000).Sub(middle)
	return nil
}

// there converts a local time to Redis's clock, in ms.
func (b *board) there(t time.Time) int64 { return t.Add(b.offset).UnixMilli() }

func (b *board) tellThrottles(ctx context.Context, c rueidis.Client) {
	p := &b.pending
	p.mu.Lock()
	by := p.by
	p.by = nil
	p.mu.Unlock()
	if len(by) == 0 {
		return
	}
	add := c.B().Zadd().Key(b.throttles).Gt().ScoreMember()
	for _, m := range slices.Sorted(maps.Keys(by)) {
		add = add.ScoreMember(float64(b.there(by[m])), m)
		b.until[m] = by[m]
	}
	err := c.Do(ctx, add.Build()).Error()
	if err == nil {
		return
	}
	b.heal(ctx, c, b.throttles, "zset", err)
	p.mu.Lock() // written in the next turn
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = by
	}
}

func (b *board) hearThrottles(ctx context.Context, c rueidis.Client) {
	now := time.Now()
	past := strconv.FormatInt(b.there(now), 10)
	found, err := c.Do(ctx, c.B().Zrange().Key(b.throttles).Min("("+past).Max("+inf").Byscore().Limit(0, maxThrottles).Withscores().Build()).AsZScores()
	if err != nil {
		b.heal(ctx, c, b.throttles, "zset", err)
		return
	}
	maps.DeleteFunc(b.until, func(_ string, t time.Time) bool { return t.Before(now) })
	for _, z := range found {
		if z.Score > float64(b.there(now.Add(mostThrottled))) { // not written by a gateway
			c.Do(ctx, c.B().Zrem().Key(b.throttles).Member(z.Member).Build())
			b.healed(b.throttles + " contains a time that is out of range")
			continue
		}
		until := time.UnixMilli(int64(z.Score)).Add(-b.offset)
		const same = 20 * time.Millisecond // error of the clocks
		if until.Sub(b.until[z.Member]) < same {
			continue
		}
		b.until[z.Member] = until
		deployment, replica, _ := strings.Cut(z.Member, "\x00")
		if f := b.o.Local.Throttle; f != nil {
			f(deployment, replica, b.o.Local.Now().Add(until.Sub(now)))
		}
	}
	if b.round%lessonsEvery == 0 {
		c.Do(ctx, c.B().Zremrangebyscore().Key(b.throttles).Min("-inf").Max(past).Build())
	}
}

// shareQuotas writes this gateway's bookings and applies those of others.
func (b *board) shareQuotas(ctx context.Context, c rueidis.Client) {
	if b.o.Local.Booked == nil {
		return
	}
	now := b.there(time.Now())
	written := map[Quota]bool{}
	var cmds rueidis.Commands
	for _, q := range b.o.Local.Booked() {
		written[q] = true
		if b.written[q] && b.round%(lessonsEvery*60) != 0 { // unchanged; rewritten from time to time as a sign of life
			continue
		}
		cmds = append(cmds, c.B().Hset().Key(b.quotas).FieldValue().FieldValue(q.Deployment+"\x00"+b.id,
			fmt.Sprintf("%d %d %d %d", int64(q.Drain), q.Tokens, q.Requests, now)).Build())
	}
	cmds = append(cmds, c.B().Hgetall().Key(b.quotas).Build())
	answers := c.DoMulti(ctx, cmds...)
	all, err := answers[len(answers)-1].AsStrMap()
	if err != nil {
		b.heal(ctx, c, b.quotas, "hash", err)
		return
	}
	b.written = written
	var gone []string
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if old := b.hearQuota(field, all[field]); now-old > quotaKept.Milliseconds() {
			gone = append(gone, field)
		}
	}
	maps.DeleteFunc(b.seen, func(field string, _ Quota) bool { return all[field] == "" })
	if len(gone) > 0 {
		c.Do(ctx, c.B().Hdel().Key(b.quotas).Field(gone...).Build())
	}
}

// hearQuota applies another gateway's new bookings and returns when it wrote
// them.
func (b *board) hearQuota(field, value string) (at int64) {
	deployment, gateway, _ := strings.Cut(field, "\x00")
	q := Quota{Deployment: deployment}
	var drain int64
	if _, err := fmt.Sscanf(value, "%d %d %d %d", &drain, &q.Tokens, &q.Requests, &at); err != nil {
		return 0
	}
	q.Drain = time.Duration(drain)
	before, known := b.seen[field]
	b.seen[field] = q
	if gateway == b.id || !known || before == q { // earlier bookings have long drained
		return at
	}
	b.o.Local.Book(Quota{deployment, q.Drain - before.Drain, q.Tokens - before.Tokens, q.Requests - before.Requests})
	return at
}

// lesson is the lengths of some answers, as sent.
type lesson struct {
	Tenant  string `json:"tenant"`
	Model   string `json:"model"`
	Lengths []int  `json:"lengths"`
}

func (b *board) tellAnswers(ctx context.Context, c rueidis.Client) {
	if b.o.Local.Answers == nil {
		return
	}
	var lessons []lesson
	at := map[[2]string]int{}
	for _, a := range b.o.Local.Answers() {
		k := [2]string{a.Tenant, a.Model}
		i, ok := at[k]
		if !ok {
			i = len(lessons)
			at[k] = i
			lessons = append(lessons, lesson{Tenant: a.Tenant, Model: a.Model})
		}
		lessons[i].Lengths = append(lessons[i].Lengths, a.Tokens)
	}
	if lessons == nil {
		return
	}
	text, err := json.Marshal(lessons)
	if err != nil {
		return
	}
	err = c.Do(ctx, c.B().Xadd().Key(b.lessons).Maxlen().Almost().Threshold(strconv.Itoa(maxLessons)).Id("*").
		FieldValue().FieldValue("by", b.id).FieldValue("answers", string(text)).Build()).Error()
	b.heal(ctx, c, b.lessons, "stream", err)
}

// hearAnswers learns from the other gateways' answers; after a start also from
// older ones.
func (b *board) hearAnswers(ctx context.Context, c rueidis.Client) {
	if b.o.Local.Learn == nil {
		return
	}
	const atOnce = 100
	for range maxLessons/atOnce + 1 {
		read, err := c.Do(ctx, c.B().Xread().Count(atOnce).Streams().Key(b.lessons).Id(b.lesson).Build()).AsXRead()
		if err != nil {
			return // also when there is nothing new
		}
		for _, e := range read[b.lessons] {
			b.lesson = e.ID
			if e.FieldValues["by"] != b.id {
				b.learn(e.FieldValues["answers"])
			}
		}
		if len(read[b.lessons]) < atOnce {
			return
		}
	}
}

func (b *board) learn(text string) {
	var lessons []lesson
	if json.Unmarshal([]byte(text), &lessons) != nil {
		return // written by another release
	}
	var answers []meter.Answer
	for _, l := range lessons {
		for _, n := range l.Lengths {
			answers = append(answers, meter.Answer{Tenant: l.Tenant, Model: l.Model, Tokens: n})
		}
	}
	b.o.Local.Learn(answers)
}
