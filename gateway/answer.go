package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"weir/dispatch"
	"weir/upstream"
)

// whole passes on an answer that is not a stream. The answer is held until it is
// complete, which allows a retry if it breaks off. A very large one is relayed as it
// arrives.
func (c *call) whole(r *upstream.Reply) *failure {
	rec := &c.booking.rec
	rec.TTFT = c.ownFrom.Sub(rec.Arrived)
	limit := c.mostWhole()
	if r.ContentLength > limit {
		return c.large(r, nil)
	}
	body, err := readAll(r, r.ContentLength, limit)
	defer func() { body.free() }()
	switch {
	case errors.Is(err, errOverLimit):
		return c.large(r, body.b)
	case err != nil:
		return c.failed(err)
	}
	c.ownFrom = c.g.now()
	text := bytes.TrimPrefix(body.b, bom)
	a := c.s.do.Format.Answer(text)
	if !a.Whole || c.s.do.EachPart && !c.s.do.Answers() && a.Parts < c.ask.prompts(c.body) {
		return c.noAnswer(r, &a, text)
	}
	if a.HasUsage && a.Usage.Completion == 0 && c.s.do.Answers() {
		a.HasUsage = len(c.s.do.Format.Text(nil, text)) == 0 // the server did not count the text that it produced
	}
	a.HasUsage = a.HasUsage || !c.s.do.Counted()
	c.remember(text)
	c.rememberItems(text, false)
	c.learnModel(text)
	shown := c.renaming.apply(text)
	if c.vectors != nil {
		var f *failure
		if shown, f = c.tookVectors(text, shown, &a); f != nil {
			return f
		}
	}
	if c.ask.stream && c.s.do.Streams {
		c.x.offer(shown)
		shown = c.s.do.AsStream(shown, c.ask.wantsUsage)
		c.startStream(r)
	} else {
		c.startAnswer(r, int64(len(shown)))
	}
	if a.HasUsage {
		// The slot is released before writing to the caller, who may be slow.
		c.booking.used = a.Usage
		c.booking.release(dispatch.OK)
	}
	if err := c.x.send(shown); err != nil {
		return c.unread(err)
	}
	c.finished = true
	rec.Own += c.g.now().Sub(c.ownFrom)
	if !a.HasUsage {
		// Counting takes time: the caller already has its answer.
		c.x.flush()
		c.booking.hangUp()
		c.booking.used = c.s.do.Estimate(c.body, c.s.do.Format.Text(nil, text))
	}
	return nil
}

// bom is put before the JSON by some servers, and rejected by JSON parsers.
var bom = []byte("\xef\xbb\xbf")

// copyBuffer is how much of a large answer is in memory at once.
const copyBuffer = 64 << 10

// tailKept is how much of the end of a large answer is kept, to find its usage.
const tailKept = 2 << 10

// large relays an answer as it arrives, after the head already read.
func (c *call) large(r *upstream.Reply, head []byte) *failure {
	if c.vectors != nil && c.vectors.cut {
		return c.tooManyVectors()
	}
	buf := newBuffer(copyBuffer)
	defer buf.free()
	if len(head) == 0 {
		n, err := io.ReadAtLeast(r, buf.b[:tailKept], 1)
		if err != nil {
			return c.failed(err)
		}
		head = append(make([]byte, 0, tailKept), buf.b[:n]...)
	}
	if trimmed := bytes.TrimLeft(head, " \t\r\n"); len(trimmed) > 0 && trimmed[0] != '{' {
		return notJSON()
	}
	if c.x.opened() {
		return notJSON() // nor a stream, which the caller has seen begin
	}
	c.learnModel(head)
	shown, size := c.renaming.apply(head), r.ContentLength
	if size >= 0 {
		size += int64(len(shown) - len(head))
	}
	c.startAnswer(r, size)
	c.remember(head)
	if err := c.x.send(shown); err != nil {
		return c.unread(err)
	}
	tail := append(make([]byte, 0, 2*tailKept), head[max(0, len(head)-tailKept):]...)
	for {
		n, err := r.Read(buf.b[:cap(buf.b)])
		part := buf.b[:n]
		if len(head) == 0 {
			c.remember(part)
			head = part
		}
		sent := c.x.send(part)
		if sent == nil {
			sent = c.x.flush() // small parts too: they would wait for more of a slow server, and for longer than a write may
		}
		if sent != nil {
			return c.unread(sent)
		}
		tail = append(tail, part[max(0, n-tailKept):]...)
		tail = append(tail[:0], tail[max(0, len(tail)-tailKept):]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return c.failed(err)
		}
	}
	c.countTail(tail)
	c.booking.release(dispatch.OK)
	c.finished = true
	return nil
}

// unread is the failure of a caller to whom a write failed with err. The failure has
// also ended the context, whose cause therefore cannot tell a slow caller from one gone.
func (c *call) unread(err error) *failure {
	p := &problem{is: errClientSlow}
	if c.x.ctx().Err() != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || context.Cause(c.x.ctx()) == errStopping) {
		p, _ = explain(gone(c.x.ctx()))
	}
	return &failure{problem: p, result: dispatch.Abandoned}
}

// countTail finds the usage of a large answer in its last bytes, where every server
// puts it. Without any, only the prompt is counted.
func (c *call) countTail(tail []byte) {
	if !c.s.do.Counted() {
		return
	}
	if at := bytes.LastIndex(tail, []byte(`"usage"`)); at >= 0 {
		if used, ok := c.s.do.ReadUsage(append([]byte{'{'}, tail[at:]...)); ok {
			c.booking.used = used
			return
		}
	}
	c.booking.used = c.s.do.Estimate(c.body, nil)
}
