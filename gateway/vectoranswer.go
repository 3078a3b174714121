package gateway

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"weir"
	"weir/cache"
	"weir/dispatch"
	"weir/embed"
	"weir/upstream"
)

// maxVectorsAnswer bounds an answer with vectors that is held whole, in bytes: about 2,048
// vectors of 1,536 numbers.
const maxVectorsAnswer = 64 << 20

// tellVectors answers with stored vectors alone.
func (c *call) tellVectors(v *vectorSearch, how cache.Result) error {
	if err := c.reserveNothing(); err != nil {
		return err
	}
	rec := &c.booking.rec
	v.status.Result, v.status.TTL = how, neverExpires
	v.say(c)
	rec.SavedTokens = v.stored
	if first := c.booking.served.first; first != nil {
		rec.Saved = first.Rates.Cost(weir.Usage{Prompt: v.stored})
	}
	shown := c.vectorsAnswer(v, v.stored)
	c.x.set("Content-Type", "application/json")
	rec.TTFT = c.g.now().Sub(rec.Arrived)
	c.booking.release(dispatch.OK)
	c.x.start(200, int64(len(shown)))
	if err := c.x.send(shown); err != nil {
		return c.unread(err).problem
	}
	c.finished = true
	return nil
}

// neverExpires is the freshness that Cache-Status states: a year, the most that RFC 9111
// knows a use for.
const neverExpires = 365 * 24 * time.Hour

func (c *call) vectorsAnswer(v *vectorSearch, tokens int64) []byte {
	a := embed.Answer{Model: c.asked, Tokens: tokens, Base64: v.read.Base64, Vectors: v.vectors}
	size := 256 + len(v.vectors)*64
	for i := range v.vectors {
		size += 4 * len(v.vectors[i].Data)
	}
	return a.Append(make([]byte, 0, size))
}

// tookVectors takes the upstream's answer: it stores the new vectors and, if the request
// was made shorter, puts the whole answer together.
func (c *call) tookVectors(text, shown []byte, a *upstream.Answer) ([]byte, *failure) {
	v := c.vectors
	defer c.g.claims.drop(v)
	got, fault := embed.Vectors(text, len(v.ask))
	if fault != nil {
		if v.cut {
			return nil, v.unfit(fault)
		}
		return shown, nil
	}
	if !a.HasUsage {
		a.Usage = c.s.do.Estimate(c.body, nil)
	}
	v.shareOut(got, a)
	if f := v.sameLength(c, got); f != nil {
		return nil, f
	}
	c.g.vectors.Put(v.keys, got)
	if !v.cut {
		return shown, nil
	}
	next, tokens := 0, int64(0)
	for i := range v.vectors {
		if v.vectors[i].Data == nil {
			v.vectors[i] = got[v.order[next]]
			next++
		}
		tokens += v.vectors[i].Tokens
	}
	rec := &c.booking.rec
	rec.SavedTokens = max(tokens-a.Usage.Prompt, 0) // also of texts that are there twice
	v.sayCounts(c, rec.SavedTokens)
	if c.booking.target != nil {
		rec.Saved = c.booking.rates().Cost(weir.Usage{Prompt: rec.SavedTokens})
	}
	return c.vectorsAnswer(v, tokens), nil
}

// unfit is the failure of an answer that cannot be put together with stored vectors. A text
// of which no model makes a vector says nothing of the server's health.
func (v *vectorSearch) unfit(fault *embed.Fault) *failure {
	if fault.At < 0 {
		return &failure{problem: &problem{is: errGarbled, message: "the inference server's answer cannot be used: " + fault.Why}, result: dispatch.Unhealthy, retry: true}
	}
	return &failure{problem: &problem{is: errGarbled, message: fmt.Sprintf("the inference server's vector of input[%d] cannot be used: %s: send the request without this text",
		v.ask[fault.At], fault.Why)}, result: dispatch.Rejected}
}

// shareOut notes what part of the tokens each vector took.
func (v *vectorSearch) shareOut(got []embed.Vector, a *upstream.Answer) {
	sizes := make([]int, len(got))
	for n, i := range v.ask {
		sizes[n] = v.read.Size(i)
	}
	for n, tokens := range embed.Share(max(a.Usage.Prompt, 0), sizes) {
		got[n].Tokens = tokens
	}
}

// sameLength refuses to mix vectors of two models. Those stored are then of the one
// before, and are dropped: the next request gets all of them from the present one.
func (v *vectorSearch) sameLength(c *call, got []embed.Vector) *failure {
	for i := range v.vectors {
		if have := len(v.vectors[i].Data); have != 0 && len(got) > 0 && have != len(got[0].Data) {
			c.g.vectors.Forget(v.read.Keys)
			return &failure{problem: &problem{is: errGarbled, message: fmt.Sprintf("the model's vectors have %d numbers, those stored have %d, so the model has changed: send the request again, and give the model another embeddings.version",
				len(got[0].Data)/4, have/4)}, result: dispatch.Rejected}
		}
	}
	return nil
}

// mostWhole bounds an answer that is held whole before it is passed on.
func (c *call) mostWhole() int64 {
	if c.vectors != nil {
		return max(maxVectorsAnswer, int64(c.st.bounds.MaxAnswer))
	}
	return int64(c.st.bounds.MaxAnswer)
}

// tooManyVectors is the failure of an answer too large to be put together.
func (c *call) tooManyVectors() *failure {
	return &failure{problem: &problem{is: errGarbled, message: fmt.Sprintf("the inference server's answer is larger than the %d MiB up to which stored and new vectors are put together: send fewer texts in one request", maxVectorsAnswer>>20)},
		result: dispatch.Rejected}
}

// place is how servers name one text of a list: input[3], input.3.
var place = regexp.MustCompile(`\b(input[\[.])(\d+)`)

// callersPlaces is an upstream's error with the places of texts as the caller numbers them:
// input[0] of the shorter request is another text of the caller's.
func (c *call) callersPlaces(body *buffer) []byte {
	if body == nil {
		return nil
	}
	v := c.vectors
	if v == nil || !v.cut {
		return body.b
	}
	return place.ReplaceAllFunc(body.b, func(m []byte) []byte {
		parts := place.FindSubmatch(m)
		n, err := strconv.Atoi(string(parts[2]))
		if err != nil || n >= len(v.ask) {
			return m
		}
		return strconv.AppendInt(append([]byte(nil), parts[1]...), int64(v.ask[n]), 10)
	})
}
