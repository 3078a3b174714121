package index

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/index/nearest"
)

// Weir embeds by a running Weir, in class batch: interactive requests go first, and the
// deployments of the model's cheapest tier with room are used.
type Weir struct {
	URL        string // such as http://127.0.0.1:8080
	Key        string
	Model      string
	Dimensions int          // 0: the model's own
	Class      string       // "": batch
	Client     *http.Client // nil: http.DefaultClient
	Tries      int          // of a request; 0: 6
	// Wait is called between tries, with the time the server asks for. nil: it waits.
	Wait func(context.Context, time.Duration) error
}

// Bounds of one request.
const (
	maxAnswer = 256 << 20
	maxWait   = 5 * time.Minute
)

// Embed implements Embedder. A request that is refused for now is tried again.
func (w *Weir) Embed(ctx context.Context, texts []string) (vectors [][]float32, used Used, err error) {
	body := map[string]any{"model": w.Model, "input": texts, "encoding_format": "base64"}
	if w.Dimensions > 0 {
		body["dimensions"] = w.Dimensions
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, used, err
	}
	tries := cmp.Or(w.Tries, 6)
	for try := 1; ; try++ {
		var after time.Duration
		vectors, used, after, err = w.once(ctx, text, len(texts))
		if err == nil || after < 0 || try == tries {
			return vectors, used, err
		}
		wait := w.Wait
		if wait == nil {
			wait = pause
		}
		if err := wait(ctx, min(max(after, time.Second<<(try-1)), maxWait)); err != nil {
			return nil, used, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once sends a request. after says when it may be sent again; below 0: never.
func (w *Weir) once(ctx context.Context, body []byte, n int) (vectors [][]float32, used Used, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, "POST", strings.TrimSuffix(w.URL, "/")+"/v1/embeddings", bytes.NewReader(body))
	if err != nil {
		return nil, used, -1, err
	}
	class := w.Class
	if class == "" {
		class = "batch"
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + w.Key}, "X-Weir-Class": {class}}
	client := w.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, used, -1, err
		}
		return nil, used, 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, used, 0, err
	}
	if resp.StatusCode != 200 {
		after = -1
		if resp.StatusCode == 429 || resp.StatusCode >= 500 {
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			after = time.Duration(seconds) * time.Second
		}
		return nil, used, after, fmt.Errorf("%s answered %d: %s", w.URL, resp.StatusCode, excerpt(text))
	}
	vectors, used, err = read(text, n, resp.Header)
	return vectors, used, -1, err
}

func excerpt(text []byte) string {
	var e struct{ Error struct{ Message string } }
	if json.Unmarshal(text, &e) == nil && e.Error.Message != "" {
		return e.Error.Message
	}
	return string(text[:min(len(text), 300)])
}

// read reads an answer. x-weir-embeddings has the tokens of texts that Weir had stored.
func read(text []byte, n int, h http.Header) (vectors [][]float32, used Used, err error) {
	var a struct {
		Data []struct {
			Index     *int // nil: it is in its place
			Embedding json.RawMessage
		}
		Usage struct {
			Prompt int64 `json:"prompt_tokens"`
		}
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, used, fmt.Errorf("the answer: %w", err)
	}
	vectors = make([][]float32, n)
	for place, d := range a.Data {
		at := place
		if d.Index != nil {
			at = *d.Index
		}
		if at < 0 || at >= n || vectors[at] != nil {
			return nil, used, fmt.Errorf("the answer has not one vector for each of %d texts", n)
		}
		if vectors[at], err = vectorOf(d.Embedding); err != nil {
			return nil, used, fmt.Errorf("the vector of text %d of %d: %w", at+1, n, err)
		}
	}
	for i, v := range vectors {
		if len(v) == 0 || len(v) != len(vectors[0]) {
			return nil, used, fmt.Errorf("the vector of text %d of %d has %d numbers, the first one %d", i+1, n, len(v), len(vectors[0]))
		}
	}
	used.Tokens = a.Usage.Prompt
	if _, text, ok := strings.Cut(h.Get("X-Weir-Embeddings"), "saved_tokens="); ok {
		if saved, err := strconv.ParseInt(text, 10, 64); err == nil {
			used.Tokens, used.Saved = max(used.Tokens-saved, 0), saved
		}
	}
	return vectors, used, nil
}

// vectorOf reads a vector: some servers ignore that base64 was asked for.
func vectorOf(raw json.RawMessage) (v []float32, err error) {
	if len(raw) > 0 && raw[0] == '[' {
		err = json.Unmarshal(raw, &v)
		return v, err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b)%4 != 0 {
		return nil, fmt.Errorf("the answer's base64 is no list of 32-bit floats")
	}
	v = nearest.Floats(b)
	if slices.ContainsFunc(v, func(f float32) bool { return f-f != 0 }) {
		return nil, fmt.Errorf("it has a number that is not finite: the model makes none of this text, so leave the text out")
	}
	return v, nil
}
