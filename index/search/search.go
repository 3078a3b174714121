// Package search answers searches of vector stores in the shape of OpenAI's API ("Vector
// stores", search, 2026), from the indexes that `weir index build` keeps.
//
// It owns that shape, and which tenant may search which index. It refuses to know HTTP,
// keys, and who embeds the question: the gateway has a tenant's own key do it.
package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"weir/embed"
	"weir/index"
	"weir/index/nearest"
)

// Index is one index that can be searched.
type Index struct {
	Name    string
	Tenants []string // who may search it; none: all
	Open    func() (index.Store, error)
}

// Stores are all of them. It is safe for concurrent use.
type Stores struct {
	all map[string]*opened
}

// opened is an index that is opened by its first search: it may be on a database that is
// not there yet.
type opened struct {
	Index
	mu    sync.Mutex
	store index.Store
}

// New makes Stores of indexes.
func New(all []Index) *Stores {
	s := &Stores{all: map[string]*opened{}}
	for _, x := range all {
		s.all[x.Name] = &opened{Index: x}
	}
	return s
}

// Close closes what is open.
func (s *Stores) Close() (err error) {
	for _, x := range s.all {
		x.mu.Lock()
		if x.store != nil {
			err = errors.Join(err, x.store.Close())
		}
		x.store = nil
		x.mu.Unlock()
	}
	return err
}

func (x *opened) get() (index.Store, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.store == nil {
		var err error
		if x.store, err = x.Open(); err != nil {
			return nil, err
		}
	}
	return x.store, nil
}

// Look opens every index, and returns the errors of those that cannot be searched.
func (s *Stores) Look(ctx context.Context) map[string]error {
	out := map[string]error{}
	for name, x := range s.all {
		st, err := x.get()
		if err == nil {
			_, err = st.Live(ctx)
		}
		if err != nil {
			out[name] = err
		}
	}
	return out
}

// CallerError is a mistake of the caller.
type CallerError struct {
	Param   string // the member at fault; "": none
	Missing bool   // there is no such vector store
	Message string
}

func (e *CallerError) Error() string { return e.Message }

// Caller says which member is at fault, and whether the vector store is not there.
func (e *CallerError) Caller() (param string, missing bool) { return e.Param, e.Missing }

// request is the body of a search.
type request struct {
	Query   json.RawMessage `json:"query"` // a text, or several
	Filters *index.Filter   `json:"filters"`
	Most    *int            `json:"max_num_results"`
	Ranking *struct {
		Ranker json.RawMessage `json:"ranker"`
		Least  float32         `json:"score_threshold"`
	} `json:"ranking_options"`
	Rewrite bool `json:"rewrite_query"`
}

// maxQueries bounds the texts of one search.
const maxQueries = 16

// Search answers a search. embed has texts embedded by a model, and returns the answer of
// /v1/embeddings.
func (s *Stores) Search(ctx context.Context, store, tenant string, body []byte, ask func(ctx context.Context, model string, body []byte) ([]byte, error)) ([]byte, error) {
	x := s.all[store]
	if x == nil || len(x.Tenants) > 0 && !slices.Contains(x.Tenants, tenant) {
		return nil, &CallerError{Missing: true, Message: fmt.Sprintf("the vector store %.100q does not exist, or the key's tenant may not search it: vector_stores of weir.yaml lists them", store)}
	}
	queries, q, err := read(body)
	if err != nil {
		return nil, err
	}
	hits, err := x.search(ctx, queries, q, ask)
	if errors.Is(err, index.ErrSwapped) { // once more, with the model of the new one
		hits, err = x.search(ctx, queries, q, ask)
	}
	if err != nil {
		return nil, err
	}
	return answer(queries, merged(hits, q.Limit())), nil
}

// search embeds the queries and looks for each.
func (x *opened) search(ctx context.Context, queries []string, q index.Query, ask func(context.Context, string, []byte) ([]byte, error)) (hits []index.Hit, err error) {
	var live index.Space
	st, err := x.get()
	if err == nil {
		live, err = st.Live(ctx)
	}
	if errors.Is(err, index.ErrEmpty) {
		return nil, &CallerError{Missing: true, Message: fmt.Sprintf("the vector store %q is empty: fill it with `weir index build`", x.Name)}
	} else if err != nil {
		return nil, err
	}
	vectors, err := embedded(ctx, live, queries, ask)
	if err != nil {
		return nil, err
	}
	q.Space = live
	for _, v := range vectors {
		q.Vector = v
		more, err := st.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		hits = append(hits, more...)
	}
	return hits, nil
}

// read reads a body.
func read(body []byte) (queries []string, q index.Query, err error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, q, unread(err)
	}
	if bytes.HasPrefix(r.Query, []byte{'"'}) {
		queries = make([]string, 1)
		err = json.Unmarshal(r.Query, &queries[0])
	} else {
		err = json.Unmarshal(r.Query, &queries)
	}
	if err != nil || len(queries) == 0 || len(queries) > maxQueries || slices.Contains(queries, "") {
		return nil, q, &CallerError{Param: "query", Message: fmt.Sprintf("query must be a text that is not empty, or a list of at most %d", maxQueries)}
	}
	q.Most = 10
	if r.Most != nil {
		q.Most = *r.Most
	}
	if q.Most < 1 || q.Most > index.MostHits {
		return nil, q, &CallerError{Param: "max_num_results", Message: fmt.Sprintf("max_num_results must be 1 to %d", index.MostHits)}
	}
	if r.Ranking != nil {
		q.Least = r.Ranking.Least
	}
	if r.Filters != nil {
		if err := r.Filters.Validate(); err != nil {
			return nil, q, &CallerError{Param: "filters", Message: err.Error()}
		}
		q.Filter = r.Filters
	}
	return queries, q, nil
}

// unread words why a body is not a search.
func unread(err error) *CallerError {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) || wrong.Field == "" {
		return &CallerError{Message: "the request body is no search: want an object with query, and max_num_results, filters and ranking_options if needed"}
	}
	param, _, _ := strings.Cut(wrong.Field, ".")
	return &CallerError{Param: param, Message: fmt.Sprintf("%s is of the wrong kind: it cannot be a JSON %s", wrong.Field, wrong.Value)}
}

// embedded has the texts embedded by the index's model.
func embedded(ctx context.Context, live index.Space, queries []string, ask func(context.Context, string, []byte) ([]byte, error)) ([][]float32, error) {
	body := map[string]any{"model": live.Model, "input": queries, "encoding_format": "base64"}
	if n := live.Dimensions(); n > 0 {
		body["dimensions"] = n
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	got, err := ask(ctx, live.Model, text)
	if err != nil {
		return nil, err
	}
	vs, fault := embed.Vectors(got, len(queries))
	if fault != nil {
		return nil, fmt.Errorf("the answer of the model %q for %d queries: %w", live.Model, len(queries), fault)
	}
	out := make([][]float32, len(vs))
	for i := range vs {
		out[i] = nearest.Unit(nearest.Floats(vs[i].Data))
	}
	return out, nil
}

// merged are the nearest hits of several queries, each chunk once.
func merged(hits []index.Hit, most int) []index.Hit {
	index.Sort(hits)
	type place struct {
		document string
		start    int
	}
	seen := map[place]bool{}
	out := hits[:0]
	for _, h := range hits {
		if p := (place{h.Document, h.Start}); !seen[p] && len(out) < most {
			seen[p] = true
			out = append(out, h)
		}
	}
	return out
}

type content struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type row struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Score      float32        `json:"score"`
	Attributes map[string]any `json:"attributes"`
	Content    []content      `json:"content"`
}

// answer is OpenAI's page of results. A document's ID is both the file's ID and name.
func answer(queries []string, hits []index.Hit) []byte {
	rows := make([]row, len(hits))
	for i, h := range hits {
		text := h.Text
		if h.Heading != "" {
			text = h.Heading + "\n\n" + text
		}
		rows[i] = row{h.Document, h.Document[strings.LastIndexByte(h.Document, '/')+1:], h.Score, h.Attributes, []content{{"text", text}}}
	}
	b, _ := json.Marshal(struct { // texts and numbers always marshal
		Object  string   `json:"object"`
		Query   []string `json:"search_query"`
		Data    []row    `json:"data"`
		More    bool     `json:"has_more"`
		NextURL *string  `json:"next_page"`
	}{"vector_store.search_results.page", queries, rows, false, nil})
	return b
}
