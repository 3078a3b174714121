// Package operate is what an operator does with an index from the command line: build it
// and ask it. It owns which collection and store a text means, and what is said of a run;
// it refuses to know how an index is kept.
package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"

	"weir/index"
	"weir/index/chunk"
	"weir/index/nearest"
)

// KeyVariable is the environment variable with the key of a tenant.
const KeyVariable = "WEIR_KEY"

// Options are what both commands have.
type Options struct {
	Open func(into, name string) (index.Store, error)
	Into string // where the index is
	Name string // of the index, where several are in one database
	URL  string // of the running Weir
	JSON bool
	Out  io.Writer
	Err  io.Writer // progress
}

// BuildOptions are one run.
type BuildOptions struct {
	Options
	Source     string // a folder, a .jsonl file, or a list of addresses
	List       bool   // it is a list of addresses
	Model      string
	Version    string
	Dimensions int
	Tokens     int
	Overlap    int
	Price      float64 // dollars for a million tokens; 0: unknown
	Dry        bool
}

// Build brings an index up to date.
func Build(ctx context.Context, o BuildOptions) error {
	corpus, err := o.corpus()
	if err != nil {
		return err
	}
	s, err := o.store()
	if err != nil {
		return err
	}
	defer s.Close()
	overlap := o.Overlap
	if overlap == 0 {
		overlap = -1 // none
	}
	b := index.Build{
		Corpus: corpus, Store: s, Space: index.Space{Model: o.Model, Version: o.Version}.WithDimensions(o.Dimensions), Dry: o.Dry,
		Chunks:   chunk.Options{Tokens: o.Tokens, Overlap: overlap},
		Embedder: &index.Weir{URL: o.URL, Key: os.Getenv(KeyVariable), Model: o.Model, Dimensions: o.Dimensions},
		Each: func(r index.Report) {
			fmt.Fprintf(o.Err, "%d documents, %d changed, %d chunks, %d embedded\n", r.Documents, r.Changed, r.Chunks, r.Embedded)
		},
	}
	r, err := b.Run(ctx)
	if err != nil {
		return fmt.Errorf("after %d documents: %w; what is written stays, and the next run goes on from there", r.Documents, err)
	}
	return o.say(r)
}

// none is the index of a dry run into a file that is not there.
type none struct{ index.Store }

func (none) Live(context.Context) (index.Space, error) { return index.Space{}, index.ErrEmpty }
func (none) Close() error                              { return nil }

func (o *BuildOptions) store() (index.Store, error) {
	if o.Dry && o.absent() {
		return none{}, nil
	}
	return o.Open(o.Into, o.Name)
}

// absent says whether the index is a file that is not there.
func (o *Options) absent() bool {
	if strings.Contains(o.Into, "://") {
		return false
	}
	_, err := os.Stat(o.Into)
	return errors.Is(err, fs.ErrNotExist)
}

// corpus is the collection that the source names.
func (o *BuildOptions) corpus() (index.Corpus, error) {
	info, err := os.Stat(o.Source)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the documents: %w", err)
	case o.List:
		return index.Pages{List: o.Source}, nil
	case info.IsDir():
		return index.Folder{Dir: o.Source, Passed: func(path, why string) { fmt.Fprintf(o.Err, "%s: passed over: %s\n", path, why) }}, nil
	case strings.HasSuffix(o.Source, ".jsonl"):
		return index.Lines{Path: o.Source}, nil
	}
	return nil, fmt.Errorf("the documents: %s is neither a folder nor a .jsonl file: give one, or --urls for a list of addresses", o.Source)
}

// say tells what a run did.
func (o *BuildOptions) say(r index.Report) error {
	cost := func(tokens int64) float64 { return math.Round(float64(tokens)*o.Price) / 1e6 }
	if o.JSON {
		return json.NewEncoder(o.Out).Encode(struct {
			index.Report
			Estimated float64 `json:"estimated_dollars,omitempty"`
			Cost      float64 `json:"dollars,omitempty"`
		}{r, cost(r.Estimated), cost(r.Tokens)})
	}
	money := func(tokens int64) string {
		if o.Price == 0 {
			return ""
		}
		return fmt.Sprintf(", $%.6f", cost(tokens))
	}
	what, did := "embedded", "deleted"
	if r.Dry {
		what, did = "to be embedded", "to be deleted"
	}
	fmt.Fprintf(o.Out, "%d documents: %d changed, %d %s\n%d chunks in the changed ones: %d %s\nestimated: %d tokens%s\n",
		r.Documents, r.Changed, r.Deleted, did, r.Chunks, r.Embedded, what, r.Estimated, money(r.Estimated))
	if r.Dry {
		return nil
	}
	_, err := fmt.Fprintf(o.Out, "billed: %d tokens%s; %d tokens were stored by Weir\n", r.Tokens, money(r.Tokens), r.Saved)
	return err
}

// QueryOptions are one question.
type QueryOptions struct {
	Options
	Text   string
	Most   int
	Filter string // JSON; "": none
}

// Query prints the chunks nearest to a text.
func Query(ctx context.Context, o QueryOptions) error {
	q := index.Query{Most: o.Most}
	if o.Filter != "" {
		q.Filter = &index.Filter{}
		in := json.NewDecoder(strings.NewReader(o.Filter))
		in.DisallowUnknownFields()
		if err := in.Decode(q.Filter); err != nil {
			return fmt.Errorf("the filter: %w; want such as {\"type\":\"eq\",\"key\":\"folder\",\"value\":\"guide\"}", err)
		}
		if err := q.Filter.Validate(); err != nil {
			return fmt.Errorf("the filter: %w", err)
		}
	}
	if o.absent() {
		return fmt.Errorf("there is no index at %s: correct --into, or fill it with `weir index build`", o.Into)
	}
	s, err := o.Open(o.Into, o.Name)
	if err != nil {
		return err
	}
	defer s.Close()
	live, err := s.Live(ctx)
	if err != nil {
		return err
	}
	e := index.Weir{URL: o.URL, Key: os.Getenv(KeyVariable), Model: live.Model, Dimensions: live.Dimensions(), Class: "interactive", Tries: 1}
	vs, _, err := e.Embed(ctx, []string{o.Text})
	if err != nil {
		return err
	}
	q.Vector, q.Space = nearest.Unit(vs[0]), live
	hits, err := s.Search(ctx, q)
	if err != nil {
		return err
	}
	return o.tell(hits)
}

// maxShown is how much of a chunk is printed, in letters.
const maxShown = 300

func (o *QueryOptions) tell(hits []index.Hit) error {
	for _, h := range hits {
		if o.JSON {
			if err := json.NewEncoder(o.Out).Encode(h); err != nil {
				return err
			}
			continue
		}
		text := []rune(strings.Join(strings.Fields(h.Text), " "))
		if len(text) > maxShown {
			text = append(text[:maxShown], []rune("...")...)
		}
		where := fmt.Sprintf("%s:%d", h.Document, h.Start)
		if h.Heading != "" {
			where += "  " + h.Heading
		}
		if _, err := fmt.Fprintf(o.Out, "%.3f  %s\n       %s\n", h.Score, where, string(text)); err != nil {
			return err
		}
	}
	return nil
}
