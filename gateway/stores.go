package gateway

import (
	"context"
	"errors"
	"fmt"

	"weir"
)

// Searches answers a search of a vector store, for a tenant. ask sends a body to
// /v1/embeddings with the caller's own key, and returns the answer. An error with a method
// Caller is the caller's mistake.
type Searches func(ctx context.Context, store, tenant string, body []byte, ask func(ctx context.Context, model string, body []byte) ([]byte, error)) ([]byte, error)

// searchStore answers POST /v1/vector_stores/ID/search. The search makes no Record: its
// request for embeddings has one.
func (c *call) searchStore() {
	defer func() { c.booking.body.free(); c.booking.body = nil }()
	if c.g.searches == nil {
		c.sayOther(&problem{is: errNoStore, message: "this gateway has no vector stores: vector_stores of weir.yaml lists them"})
		return
	}
	var err error
	if c.key, err = c.x.from.Key(c.st); err == nil {
		if err = c.read(); err == nil {
			var body []byte
			if body, err = c.g.searches(c.x.ctx(), c.s.id, c.key.tenant.name, c.body, c.askEmbeddings); err == nil {
				c.say(200, body)
				return
			}
		}
	}
	c.sayOther(c.ofSearch(err))
}

// ofSearch words an error of a search.
func (c *call) ofSearch(err error) error {
	var p *problem
	var e interface{ Caller() (string, bool) }
	switch {
	case errors.As(err, &p) || answers[err].status != 0:
		return err
	case errors.As(err, &e):
		param, missing := e.Caller()
		if missing {
			return &problem{is: errNoStore, message: err.Error()}
		}
		return &problem{is: errField, message: err.Error(), param: param}
	case c.x.ctx().Err() != nil:
		return gone(c.x.ctx())
	}
	c.g.log.Error("a vector store cannot be searched", "store", c.s.id, "error", err)
	return &problem{is: errStoreFails, message: fmt.Sprintf("the vector store %.100q cannot be searched now: the gateway's log says why", c.s.id)}
}

// askEmbeddings has texts embedded with the caller's key.
func (c *call) askEmbeddings(ctx context.Context, model string, body []byte) ([]byte, error) {
	var to collected
	if _, err := c.g.Submit(ctx, Submission{Tenant: c.key.tenant.name, Key: c.key.name, Op: weir.OpEmbeddings, Body: body}, &to); err != nil {
		var e *SubmitError
		if !errors.As(err, &e) {
			return nil, err
		}
		is := errInternal
		switch e.Fault {
		case weir.CallerFault:
			is = errField
		case weir.PolicyFault:
			is = errRequestLimit
		case weir.UpstreamFault:
			is = errUpstream
		}
		return nil, &problem{is: is, message: fmt.Sprintf("the query was not embedded by the model %q: %s", model, e.Message), status: e.Status, code: e.Code, after: e.After, hasAfter: e.After > 0}
	}
	return to.body, nil
}

// collected is a sink that keeps an answer.
type collected struct{ body []byte }

func (to *collected) Start(int, map[string][]string) {}

func (to *collected) Write(p []byte) (int, error) {
	if len(to.body)+len(p) > maxVectorsAnswer {
		return 0, errors.New("the answer is too large")
	}
	to.body = append(to.body, p...)
	return len(p), nil
}
