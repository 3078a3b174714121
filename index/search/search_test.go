package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"weir/index"
)

// A body that is wrong is said with the member at fault, in the caller's terms.
func TestWrongSearchesAreSaid(t *testing.T) {
	f := func(param, part, body string) {
		t.Helper()
		_, _, err := read([]byte(body))
		var e *CallerError
		if !errors.As(err, &e) || e.Param != param || !strings.Contains(e.Message, part) || strings.Contains(e.Message, "Go ") {
			t.Errorf("%s: %v (%+v), want %s: %s", body, err, e, param, part)
		}
	}
	f("filters", "filters is of the wrong kind: it cannot be a JSON string", `{"query":"x","filters":"y"}`)
	f("filters", "filters.type is of the wrong kind", `{"query":"x","filters":{"type":5}}`)
	f("max_num_results", "cannot be a JSON string", `{"query":"x","max_num_results":"5"}`)
	f("max_num_results", "1 to 50", `{"query":"x","max_num_results":0}`)
	f("ranking_options", "ranking_options.score_threshold", `{"query":"x","ranking_options":{"score_threshold":"a"}}`)
	f("query", "must be a text", `{}`)
	f("query", "must be a text", `{"query":["a",""]}`)
	f("", "want an object", `[]`)
}

// swapping is an index whose model is another one after the first question for it.
type swapping struct {
	index.Store
	asked int
}

func (s *swapping) Live(context.Context) (index.Space, error) {
	s.asked++
	return index.Space{Model: fmt.Sprint("m", s.asked)}, nil
}

func (s *swapping) Search(_ context.Context, q index.Query) ([]index.Hit, error) {
	if q.Space.Model != "m2" {
		return nil, index.ErrSwapped
	}
	return []index.Hit{{Document: "found"}}, nil
}

// An index that is replaced between a question's embedding and its search is asked once
// more, with the new model.
func TestASearchFollowsANewModel(t *testing.T) {
	s := New([]Index{{Name: "docs", Open: func() (index.Store, error) { return &swapping{}, nil }}})
	var models []string
	got, err := s.Search(t.Context(), "docs", "a", []byte(`{"query":"x"}`), func(_ context.Context, model string, _ []byte) ([]byte, error) {
		models = append(models, model)
		return []byte(`{"data":[{"embedding":[1,0]}]}`), nil
	})
	if err != nil || !strings.Contains(string(got), `"file_id":"found"`) || fmt.Sprint(models) != "[m1 m2]" {
		t.Errorf("%s, %v, %v", got, err, models)
	}
}

func TestIndexesThatCannotBeSearchedAreNamed(t *testing.T) {
	damaged := errors.New("damaged")
	s := New([]Index{
		{Name: "good", Open: func() (index.Store, error) { return &swapping{}, nil }},
		{Name: "bad", Open: func() (index.Store, error) { return nil, damaged }},
		{Name: "new", Open: func() (index.Store, error) { return nil, index.ErrEmpty }},
	})
	if got := s.Look(t.Context()); len(got) != 2 || !errors.Is(got["bad"], damaged) || !errors.Is(got["new"], index.ErrEmpty) {
		t.Error(got)
	}
	var e *CallerError
	if _, err := s.Search(t.Context(), "new", "a", []byte(`{"query":"x"}`), nil); !errors.As(err, &e) || !e.Missing {
		t.Error(err)
	}
}
