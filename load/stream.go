package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"weir/trace"
)

// maxEvent bounds one line of a stream.
const maxEvent = 1 << 20

// end is how one request ended. Times count from its arrival in the trace.
type end struct {
	status    int // 0 when no answer came
	err       error
	cut       bool // 200, and no true finish
	cancelled bool
	ttft      time.Duration // 0 when no token came
	last      time.Duration // to the last token
	total     time.Duration // to the end of the stream
	tokens    int           // by the server's usage, else events with content
	gap       time.Duration // longest between two tokens
}

// send makes one streamed chat request and reads it to its end.
func (p *player) send(ctx context.Context, number int, a trace.Arrival, due time.Time) end {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	req, err := p.request(ctx, number, a)
	if err != nil {
		return end{err: err}
	}
	resp, err := p.o.Client.Do(req)
	if err != nil {
		return end{err: err}
	}
	defer resp.Body.Close()
	e := end{status: resp.StatusCode}
	if resp.StatusCode != http.StatusOK {
		// Read to its end: the connection can then be used again.
		_, e.err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxEvent))
		return e
	}
	e.read(resp.Body, due)
	return e
}

func (p *player) request(ctx context.Context, number int, a trace.Arrival) (*http.Request, error) {
	prompt, output := a.Prompt, a.Output
	if p.o.MaxPrompt > 0 {
		prompt = min(prompt, p.o.MaxPrompt)
	}
	if p.o.MaxOutput > 0 {
		output = min(output, p.o.MaxOutput)
	}
	content := bytes.NewReader(body(p.o.Model, number, a, prompt, output))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.URL+"/v1/chat/completions", content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("content-type", "application/json")
	if p.o.Key != "" {
		req.Header.Set("authorization", "Bearer "+p.o.Key)
	}
	return req, nil
}

// chunk is the needed part of one event of a stream.
type chunk struct {
	Error   json.RawMessage `json:"error"`
	Choices []struct {
		Delta struct {
			Content   string          `json:"content"`
			Reasoning string          `json:"reasoning_content"`
			ToolCalls json.RawMessage `json:"tool_calls"`
		} `json:"delta"`
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
}

// read follows a stream of server-sent events. It is whole only when it has
// both a finish_reason and [DONE], in this order, and no error; anything else is
// a cut stream.
func (e *end) read(r io.Reader, due time.Time) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	var finished, done bool
	for e.err == nil && lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue
		}
		data = bytes.TrimSpace(data)
		if string(data) == "[DONE]" {
			done = finished
			continue
		}
		var c chunk
		if err := json.Unmarshal(data, &c); err != nil {
			e.err = fmt.Errorf("an event is not JSON: %w", err)
		} else if len(c.Error) > 0 && string(c.Error) != "null" {
			e.err = fmt.Errorf("error event: %.200s", c.Error)
		}
		finished = e.take(&c, due) || finished
	}
	e.total = time.Since(due)
	if e.err == nil {
		e.err = lines.Err()
	}
	if e.err == nil && !done {
		e.err = errors.New("the stream ended without its finish")
	}
	e.cut = e.err != nil
}

// take books one event and says whether it is the finish.
func (e *end) take(c *chunk, due time.Time) (finish bool) {
	for i := range c.Choices {
		d := &c.Choices[i].Delta
		finish = finish || c.Choices[i].FinishReason != nil
		if d.Content == "" && d.Reasoning == "" && len(d.ToolCalls) == 0 {
			continue
		}
		at := time.Since(due)
		if e.tokens == 0 {
			e.ttft = at
		} else {
			e.gap = max(e.gap, at-e.last)
		}
		e.tokens++
		e.last = at
	}
	if c.Usage != nil && e.tokens > 0 {
		e.tokens = max(e.tokens, c.Usage.Completion)
	}
	return finish
}

// reason is an error without addresses and ports, which would make each its own
// kind.
func reason(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
