package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"weir/trace"
)

// maxEvent bounds one line of a stream.
const maxEvent = 1 << 20

// send makes one streamed chat request and reads it to its end.
func (p *player) send(ctx context.Context, a trace.Arrival) end {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	req, err := p.request(ctx, a)
	if err != nil {
		return end{err: err}
	}
	sent := time.Now()
	resp, err := p.o.Client.Do(req)
	if err != nil {
		return end{err: err}
	}
	defer resp.Body.Close()
	e := end{status: resp.StatusCode}
	if resp.StatusCode != http.StatusOK {
		_, e.err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxEvent))
		return e
	}
	e.read(resp.Body, sent)
	return e
}

func (p *player) request(ctx context.Context, a trace.Arrival) (*http.Request, error) {
	prompt, output := a.Prompt, a.Output
	if p.o.MaxPrompt > 0 {
		prompt = min(prompt, p.o.MaxPrompt)
	}
	if p.o.MaxOutput > 0 {
		output = min(output, p.o.MaxOutput)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.URL+"/v1/chat/completions", bytes.NewReader(body(p.o.Model, prompt, output)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("content-type", "application/json")
	if p.o.Key != "" {
		req.Header.Set("authorization", "Bearer "+p.o.Key)
	}
	return req, nil
}

// body asks for output tokens after a prompt of about that many tokens: one
// short word each, which is one token in every common vocabulary.
func body(model string, prompt, output int) []byte {
	const words = "the cat sat on a mat and ran to see how far it can go by sun or rain "
	var b bytes.Buffer
	b.WriteString(`{"model":`)
	name, _ := json.Marshal(model) // a string always marshals
	b.Write(name)
	b.WriteString(`,"stream":true,"stream_options":{"include_usage":true},"max_tokens":`)
	b.WriteString(strconv.Itoa(output))
	b.WriteString(`,"messages":[{"role":"user","content":"`)
	for n := prompt; n > 0; n -= 19 {
		if n >= 19 {
			b.WriteString(words)
			continue
		}
		for range n {
			b.WriteString("the ")
		}
	}
	b.WriteString(`"}]}`)
	return b.Bytes()
}

// read follows a stream of server-sent events. It is whole only when it has
// both a finish_reason and [DONE]; anything else is a cut stream.
func (e *end) read(r io.Reader, sent time.Time) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	var finished, done bool
	last := sent
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue
		}
		data = bytes.TrimSpace(data)
		if string(data) == "[DONE]" {
			done = true
			continue
		}
		var chunk struct {
			Error   json.RawMessage `json:"error"`
			Choices []struct {
				Delta struct {
					Content string `json:"content"`
				} `json:"delta"`
				FinishReason *string `json:"finish_reason"`
			} `json:"choices"`
		}
		if err := json.Unmarshal(data, &chunk); err != nil {
			e.err = fmt.Errorf("event %.80q: %w", data, err)
			break
		}
		if len(chunk.Error) > 0 && string(chunk.Error) != "null" {
			e.err = fmt.Errorf("error event: %.200s", chunk.Error)
			break
		}
		for _, c := range chunk.Choices {
			finished = finished || c.FinishReason != nil
			if c.Delta.Content == "" {
				continue
			}
			now := time.Now()
			if e.tokens == 0 {
				e.ttft = now.Sub(sent)
			} else {
				e.gap = max(e.gap, now.Sub(last))
			}
			e.tokens++
			last = now
		}
	}
	if e.err == nil {
		e.err = lines.Err()
	}
	e.total = last.Sub(sent)
	if !finished || !done {
		e.cut = true
		if e.err == nil {
			e.err = errors.New("the stream ended without its finish")
		}
	}
}
