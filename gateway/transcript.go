package gateway

import (
	"bytes"
	"time"

	"weir"
	"weir/cache"
)

// transcript is the tee of a request whose answer is to be stored, or whose answer others
// follow. It collects the answer's bytes; only at the end of a whole answer does it know
// whether they are worth keeping.
type transcript struct {
	c      *call
	flight *flight      // nil: no other caller can follow
	began  weir.Instant // to ask
	at     cache.Generation
	of     cache.Origin

	// With a flight its lock guards the fields below: followers read them.
	status int
	stream bool    // the answer is sent as a stream
	data   []byte  // of the body, from base on
	base   int     // bytes that were dropped, because the answer is too large to keep
	usage  []gap   // events in data that only callers see who asked for the usage
	told   bool    // the next part is such an event
	whole  []byte  // the answer, if data is another form of it
	large  bool    // too large to be stored, or to be read from its beginning
	own    bool    // cut to what the leader may spend: no other caller gets it
	found  bool    // the answer is another gateway's: it may be older than a follower takes
	how    *ending // nil: it goes on
	why    *problem
	entry  *cache.Entry
}

// gap is an event that reports usage, in data.
type gap struct{ from, to int }

func (k *transcript) Set(string, string) {}
func (k *transcript) Add(string, string) {}

func (k *transcript) Start(_ time.Time, status int, _ int64) {
	k.lock()
	defer k.unlock()
	k.status, k.stream = status, k.c.streaming
	if k.flight != nil && k.c.booking.promised.ordered {
		k.own = true
		k.flight.close()
		k.flight.changed()
	}
}

// useless says whether what comes has no use.
func (k *transcript) useless() bool { return k.flight == nil && (k.large || k.status != 200) }

func (k *transcript) Send(p []byte) error {
	k.lock()
	defer k.unlock()
	if k.useless() || k.c.err != nil { // each caller gets an error event of its own
		return nil
	}
	if k.told {
		k.told = false
		k.usage = append(k.usage, gap{k.base + len(k.data), k.base + len(k.data) + len(p)})
	}
	k.keep(p)
	return nil
}

// maxTranscripts bounds the memory of all answers that are being kept, in bytes. Beyond it an
// answer is not stored, and its followers may lag by fewWindow bytes.
const (
	maxTranscripts = 256 << 20
	fewWindow      = 64 << 10
)

// keep appends to data. Of an answer that is too large only the end is kept, for
// followers that read it. The lock is held.
func (k *transcript) keep(p []byte) {
	k.data = append(k.data, p...)
	window := k.c.g.answers.MostBody()
	if k.c.g.transcripts.Add(int64(len(p))) > maxTranscripts {
		window = min(window, fewWindow)
	}
	if len(k.data) <= window && k.base == 0 {
		return
	}
	k.large = true
	if k.flight == nil {
		k.forget(len(k.data))
		return
	}
	k.flight.close()
	if drop := len(k.data) - window; drop > window || k.base == 0 { // at most twice as much is held
		k.forget(max(drop, 0))
	}
}

// forget drops the first n bytes of data. The lock is held.
func (k *transcript) forget(n int) {
	k.c.g.transcripts.Add(-int64(n))
	k.data, k.base = bytes.Clone(k.data[n:]), k.base+n
}

func (k *transcript) unshown(event []byte) {
	k.lock()
	defer k.unlock()
	if k.useless() {
		return
	}
	k.usage = append(k.usage, gap{k.base + len(k.data), k.base + len(k.data) + len(event)})
	k.keep(event)
}

func (k *transcript) offer(body []byte) {
	if len(body) <= k.c.g.answers.MostBody() {
		k.whole = bytes.Clone(body)
	}
}

// Flush lets followers have what was sent.
func (k *transcript) Flush(time.Time) error {
	if k.flight != nil {
		k.flight.tell()
	}
	return nil
}

// End stores a whole answer.
func (k *transcript) End(how ending) {
	var e *cache.Entry
	if how == endsWhole && !k.large && k.status == 200 {
		e = k.made()
	}
	if e != nil && k.storable(e) {
		k.c.booking.served.usual.learn(e.Stored.Sub(k.began))
		k.c.g.answers.Put(k.c.look.key, e)
		k.c.learn(e)
	} else if k.flight != nil {
		k.c.g.answers.Release(k.c.look.key)
	}
	k.c.g.transcripts.Add(-int64(len(k.data)))
	if k.flight != nil {
		k.flight.ended(k, how, e)
	}
}

// made is the answer as an entry; nil if it cannot be put together.
func (k *transcript) made() *cache.Entry {
	c, do := k.c, k.c.s.do
	body := k.whole
	switch {
	case body != nil:
	case k.stream:
		body = do.FromStream(k.data)
	default:
		body = k.data
	}
	a := do.Format.Answer(body)
	if body == nil || len(body) > c.g.answers.MostBody() || !a.Whole || do.Counted() && !a.HasUsage {
		return nil
	}
	b, l := &c.booking, c.look
	e := &cache.Entry{Body: bytes.Clone(body), Usage: b.used, Stored: c.g.now(), TTL: l.ttl, Generation: l.at, Of: l.of}
	if b.target != nil {
		e.Cost = b.rates().Cost(b.used)
	}
	return e.Ready()
}

// storable says whether later requests may get the answer too: it comes from the model
// itself, and was not cut by what holds only for this request.
func (k *transcript) storable(e *cache.Entry) bool {
	t := k.c.booking.target
	return t != nil && t.Canary == nil && t.serves == k.c.booking.rec.Model && !(k.c.ask.trim > 0 && ended(e.Body, cutWords)) && !ended(e.Body, filterWords)
}

// Ends of answers that are not the model's own. Inside a text quotes are escaped, so the
// words do not match there.
var (
	cutWords    = []string{`"length"`, `"max_tokens"`, `"max_output_tokens"`}
	filterWords = []string{`"content_filter"`, `"refusal"`}
)

// ended says whether an answer ends with one of the words.
func ended(body []byte, words []string) bool {
	for _, w := range words {
		for at := body; ; {
			i := bytes.Index(at, []byte(w))
			if i < 0 {
				break
			}
			before := bytes.TrimRight(at[:i], " \t\r\n")
			if bytes.HasSuffix(before, []byte(":")) {
				name := bytes.TrimRight(before[:len(before)-1], " \t\r\n")
				if bytes.HasSuffix(name, []byte(`reason"`)) { // finish_reason, stop_reason, reason
					return true
				}
			}
			at = at[i+1:]
		}
	}
	return false
}

func (k *transcript) lock() {
	if k.flight != nil {
		k.flight.mu.Lock()
	}
}

func (k *transcript) unlock() {
	if k.flight != nil {
		k.flight.mu.Unlock()
	}
}

var _ sink = (*transcript)(nil)
