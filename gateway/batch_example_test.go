package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/gateway"
	"weir/upstream"
	"weir/upstream/dialects"
)

// Example of a caller inside the process: a batch of requests in a file, one a line, as
// in OpenAI's Batch API. It needs only Submit, and no internals of the gateway.

type batch struct {
	submit      func(context.Context, gateway.Submission, gateway.Sink) (weir.Record, error)
	tenant, key string
	atOnce      int
}

// line is a request of a batch, and result its answer. A result has only an error if
// there is no whole answer.
type line struct {
	ID   string          `json:"custom_id"`
	Body json.RawMessage `json:"body"`
}

type result struct {
	ID     string          `json:"custom_id"`
	Status int             `json:"status_code,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// held stores one answer.
type held struct {
	bytes.Buffer
	status int
}

func (h *held) Start(status int, _ map[string][]string) { h.status = status }

// run answers every line; results are in the order of lines.
func (b *batch) run(ctx context.Context, in io.Reader) ([]result, error) {
	var results []*result
	room := make(chan struct{}, b.atOnce)
	var all sync.WaitGroup
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			all.Wait()
			return nil, fmt.Errorf("line %d: %w", len(results)+1, err)
		}
		r := &result{ID: l.ID}
		results = append(results, r)
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			b.one(ctx, l, r)
		})
	}
	all.Wait()
	done := make([]result, len(results))
	for i, r := range results {
		done[i] = *r
	}
	return done, nil
}

// one retries until it has an answer, or until an error says that retries do not help.
func (b *batch) one(ctx context.Context, l line, r *result) {
	for {
		var answer held
		rec, err := b.submit(ctx, gateway.Submission{Tenant: b.tenant, Key: b.key, Op: weir.OpEmbeddings, Class: weir.Batch, Body: l.Body}, &answer)
		var failure *gateway.SubmitError
		switch {
		case err == nil:
			r.Status, r.Body = rec.Status, answer.Bytes()
			return
		case errors.As(err, &failure) && failure.Status == 429 && failure.After > 0:
			select {
			case <-ctx.Done():
			case <-time.After(failure.After):
			}
		case failure != nil && !failure.Broken && answer.status >= 400 && failure.Fault == weir.CallerFault:
			r.Status, r.Body = answer.status, answer.Bytes()
			return
		default:
			r.Error = err.Error()
			return
		}
	}
}

func TestABatchIsACallerInsideTheProcess(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "bad") {
			http.Error(w, `{"error":{"message":"no"}}`, 400)
			return
		}
		io.WriteString(w, `{"object":"list","data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":1}}`)
	}))
	defer server.Close()
	var mu sync.Mutex
	var records []weir.Record
	g, err := gateway.New(gateway.Options{
		Dialects: dialects.All(),
		Config: gateway.Config{
			Tenants: []gateway.Tenant{{Name: "research", Keys: []gateway.Key{{Name: "nightly", SHA256: sha256.Sum256([]byte("x"))}}}},
			Models: []gateway.Model{{Name: "embed", Deployments: []gateway.Deployment{{
				Deployment: dispatch.Deployment{Name: "d", Weight: 1, MaxRequests: 2}, Upstream: upstream.Options{Dialect: dialects.Of("openai"), BaseURL: server.URL},
			}}}},
		},
		Record: func(r weir.Record) { mu.Lock(); records = append(records, r); mu.Unlock() },
	})
	if err != nil {
		t.Fatal(err)
	}
	b := batch{submit: g.Submit, tenant: "research", key: "nightly", atOnce: 8}
	results, err := b.run(t.Context(), strings.NewReader(strings.Repeat(`{"custom_id":"a","body":{"model":"embed","input":"good"}}`+"\n", 50)+
		`{"custom_id":"b","body":{"model":"embed","input":"bad"}}`+"\n"+`{"custom_id":"c","body":{"model":"other","input":"good"}}`))
	if err != nil || len(results) != 52 || results[0].Status != 200 || !bytes.Contains(results[49].Body, []byte("0.5")) || results[50].Status != 400 || results[51].Status != 404 {
		t.Errorf("%v %+v", err, results)
	}
	ended := map[weir.Outcome]int{}
	for _, r := range records {
		if ended[r.Outcome]++; r.Tenant != "research" || r.Key != "nightly" || r.Class != weir.Batch && r.Model != "" {
			t.Errorf("%+v", r)
		}
	}
	if len(records) != 52 || ended[weir.Completed] != 50 || ended[weir.Failure] != 1 || ended[weir.Refused] != 1 || g.Levels() != (gateway.Levels{Arrived: 52}) {
		t.Errorf("%v, %+v", ended, g.Levels())
	}
}
