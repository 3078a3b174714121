// Package compare asks two models the same and says how often their answers agree, how
// many requests could go to the smaller one, and what that saves.
//
// It sends requests to a running Weir as a caller does, and owns what is told of them. It
// refuses to know how Weir routes: what is judged, and what a sample proves, is package
// cheaper's.
package compare

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"weir"
	"weir/cheaper"
	"weir/jsonscan"
	"weir/meter"
	"weir/price"
)

// Comparison is what is asked and of which models.
type Comparison struct {
	File         string // JSON lines, each the body of a chat completion
	URL          string // of the gateway
	Large, Small string // models, as callers name them
	Embed, Judge string // models that compare answers; "": only equal answers agree
	Sample       int    // most lines that are used
	Alike        float64
	Quality      float64 // least share of answers that must agree, 0 to 1
	Level        float64 // of confidence, 0 to 1
	Month        float64 // requests a month
	PriceLarge   string  // models of the price catalogue; "": by their own names
	PriceSmall   string
}

const (
	MaxSample = 100_000
	maxPrompt = 8 << 20 // bytes of a line
	inFlight  = 4       // lines at once
	sku       = "GlobalStandard"
)

// Run compares, and writes the report. It is an error if no pair could be compared.
func Run(ctx context.Context, out io.Writer, c Comparison) error {
	if u, err := url.Parse(c.URL); err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf("%q is no URL: write it as http://127.0.0.1:8080", c.URL)
	}
	r := &run{Comparison: &c}
	var err error
	if r.large, err = ratesOf(c.Large, c.PriceLarge, "--price-large"); err != nil {
		return err
	}
	if r.small, err = ratesOf(c.Small, c.PriceSmall, "--price-small"); err != nil {
		return err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := r.lines(ctx, file); err != nil {
		return err
	}
	if len(r.pairs) == 0 {
		r.sayFaults(out)
		return errors.New("no answers could be compared")
	}
	r.report(out)
	return nil
}

func ratesOf(model, as, flag string) (meter.Rates, error) {
	catalogue, err := price.Default()
	if err != nil {
		return meter.Rates{}, err
	}
	if as == "" {
		as = model
	}
	tokens, err := catalogue.Tokens(as, sku, "")
	if err != nil {
		return meter.Rates{}, fmt.Errorf("%w; name a model of `weir price list tokens` by %s", err, flag)
	}
	return meter.RatesOf(tokens, false)
}

// run is a comparison under way.
type run struct {
	*Comparison
	large, small meter.Rates

	mu     sync.Mutex
	pairs  []cheaper.Pair
	by     [kinds]int // how pairs agreed
	judged map[cheaper.Reason]int
	told   bool // probabilities are
	faults []string
	failed int
}

// How two answers agree.
type kind uint8

const (
	differ kind = iota
	equal       // but for case, punctuation and white space, or as JSON
	near        // by their embeddings
	same        // says the judge
	kinds
)

func (r *run) lines(ctx context.Context, file io.Reader) error {
	var g errgroup.Group
	g.SetLimit(inFlight)
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 64<<10), maxPrompt)
	for n, used := 1, 0; lines.Scan() && used < r.Sample && ctx.Err() == nil; n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		used++
		body := jsonscan.ObjectOf(bytes.Clone(line))
		if body == nil || !json.Valid(line) || body.Get("messages") == nil {
			r.fault(n, errors.New("is no body of a chat completion"))
			continue
		}
		g.Go(func() error {
			if err := r.pair(ctx, body); err != nil {
				r.fault(n, err)
			}
			return nil
		})
	}
	g.Wait()
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w: a line has at most %d bytes", r.File, err, maxPrompt)
	}
	return context.Cause(ctx)
}

const mostFaults = 10 // that are told

func (r *run) fault(line int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed++; len(r.faults) < mostFaults {
		r.faults = append(r.faults, fmt.Sprintf("line %d: %v", line, err))
	}
}

// pair asks both models and compares their answers. It is an error if the larger one has
// none, or the judge.
func (r *run) pair(ctx context.Context, body jsonscan.Object) error {
	body = body.Without("stream", "stream_options", "n").With("logprobs", "true")
	large, err := r.ask(ctx, "/v1/chat/completions", body.With("model", jsonscan.Quoted(r.Large)).String())
	if err != nil {
		return err
	}
	a, ok := cheaper.Read(weir.OpChat, large)
	if !ok {
		return fmt.Errorf("model %q gave no answer", r.Large)
	}
	request := body.With("model", jsonscan.Quoted(r.Small)).String()
	p := cheaper.Pair{Large: r.large.Cost(usageOf(large)), Judged: cheaper.Failed}
	how := differ
	small, err := r.ask(ctx, "/v1/chat/completions", request)
	var refused *statusError
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	if err == nil {
		p.Small = r.small.Cost(usageOf(small))
		p.Judged = (&cheaper.Cascade{}).Judge(weir.OpChat, []byte(request), small)
		if b, ok := cheaper.Read(weir.OpChat, small); ok {
			p.Confidence = b.Confidence
			if how, err = r.compare(ctx, &a, &b); err != nil {
				return err
			}
		}
	}
	p.Agree = how != differ
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pairs = append(r.pairs, p)
	r.by[how]++
	r.told = r.told || p.Confidence > 0
	if p.Judged != "" {
		if r.judged == nil {
			r.judged = map[cheaper.Reason]int{}
		}
		r.judged[p.Judged]++
	}
	return nil
}

func usageOf(answer []byte) weir.Usage {
	var a struct {
		Usage struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
			Details    struct {
				Cached int64 `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		}
	}
	if json.Unmarshal(answer, &a) != nil {
		return weir.Usage{}
	}
	u := &a.Usage
	return weir.Usage{Prompt: u.Prompt, Completion: u.Completion, Cached: min(u.Details.Cached, u.Prompt)}
}

func (r *run) sayFaults(out io.Writer) {
	slices.Sort(r.faults)
	for _, f := range r.faults {
		fmt.Fprintln(out, f)
	}
	if more := r.failed - len(r.faults); more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
}

func trimmed(b []byte) string { return strings.TrimSpace(string(b[:min(len(b), 300)])) }
