// Package scrape reads the load that inference servers report: one GET of
// /metrics, a few figures out. It knows their names in vLLM, SGLang, TGI,
// llama.cpp and Triton, and those of NVIDIA's DCGM exporter. It keeps no
// history and judges nothing: package scale does.
//
// It is independent of the gateway, which counts its own demand: these are the
// engine's own figures, such as KV cache use and GPU utilisation, which the
// gateway cannot see.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Reading is the report of one server at one moment. A figure counts only if
// its flag in Known is set.
type Reading struct {
	Running        int     // requests being worked on, all engines of the server together
	Waiting        int     // requests queued inside the server
	KVUse          float64 // share of the KV cache in use, 0..1; the fullest engine
	GPUUtilisation float64 // 0..1, mean over the GPUs listed
	Known          Known

	Engine string // engine of the metrics: "vLLM", "llama.cpp"; "" if unknown
	// Lacks names metrics that the engine should have and has not: its version
	// may use other names. "": none.
	Lacks string
}

// Known says which figures of a Reading the server reported.
type Known struct{ Running, Waiting, KVUse, GPUUtilisation bool }

// Options bound the cost of one read. Zero values mean the defaults.
type Options struct {
	Path     string        // default /metrics
	Timeout  time.Duration // of one read, connecting included; default 2 s
	MaxBytes int64         // of one answer; a longer one is an error; default 4 MiB
	Parallel int           // servers read at once by ReadAll; default 16
}

// Client reads servers. It is safe for concurrent use.
type Client struct {
	o    Options
	http *http.Client
}

// New returns a Client. Close it when done.
func New(o Options) *Client {
	if o.Path == "" {
		o.Path = "/metrics"
	}
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 4 << 20
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	return &Client{o: o, http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second,
		// A replaced server must not be read at its old address for long, nor
		// hold many connections.
		MaxConnsPerHost: 2,
	}}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Read reads the server at base, a URL without its path.
func (c *Client) Read(ctx context.Context, base string) (Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	url := strings.TrimSuffix(base, "/") + c.o.Path
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Reading{}, err
	}
	q.Header.Set("Accept", "text/plain;version=0.0.4")
	a, err := c.http.Do(q)
	if err != nil {
		return Reading{}, err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return Reading{}, fmt.Errorf("%s answered %s: want 200", url, a.Status)
	}
	r, err := Parse(&bounded{r: a.Body, left: c.o.MaxBytes, limit: c.o.MaxBytes})
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", url, err)
	}
	return r, nil
}

// Result is a Reading, or why there is none.
type Result struct {
	Reading
	Err error
}

// ReadAll reads several servers at once. The results are in the order of bases;
// it returns when all are in, within Timeout of the last one's turn.
func (c *Client) ReadAll(ctx context.Context, bases []string) []Result {
	results := make([]Result, len(bases))
	turns := make(chan struct{}, c.o.Parallel)
	var wg sync.WaitGroup
	for i, base := range bases {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			results[i].Reading, results[i].Err = c.Read(ctx, base)
		})
	}
	wg.Wait()
	return results
}

// Parse reads the Prometheus text format.
func Parse(in io.Reader) (Reading, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	fams, err := p.TextToMetricFamilies(in)
	if err != nil {
		return Reading{}, err
	}
	var r Reading
	var told figures
	e := engineOf(fams)
	if e != nil {
		r.Engine, told = e.name, e.figures
	}
	var v float64
	if v, r.Known.Running = first(fams, told.running, sum); r.Known.Running {
		r.Running = count(v)
	}
	if v, r.Known.Waiting = first(fams, told.waiting, sum); r.Known.Waiting {
		r.Waiting = count(v)
	}
	if v, r.Known.KVUse = first(fams, append(told.kvUse[:len(told.kvUse):len(told.kvUse)], seldom.kvUse...), highest); r.Known.KVUse {
		r.KVUse = share(v)
	}
	if v, r.Known.GPUUtilisation = first(fams, seldom.gpuUse, mean); r.Known.GPUUtilisation {
		r.GPUUtilisation = share(v / 100)
	} else if v, r.Known.GPUUtilisation = first(fams, []string{tritonGPU}, mean); r.Known.GPUUtilisation {
		r.GPUUtilisation = share(v)
	}
	if e != nil || r.Known == (Known{}) {
		r.Lacks = e.lacks(r.Known)
	}
	return r, nil
}

// first folds the series of the first family present: a server with several
// engines (data parallel) has one series for each.
func first(fams map[string]*dto.MetricFamily, names []string, fold func([]float64) float64) (float64, bool) {
	for _, name := range names {
		var vs []float64
		for _, m := range fams[name].GetMetric() {
			if v, ok := value(m); ok {
				vs = append(vs, v)
			}
		}
		if len(vs) > 0 {
			return fold(vs), true
		}
	}
	return 0, false
}

func value(m *dto.Metric) (float64, bool) {
	var v float64
	switch {
	case m.Gauge != nil:
		v = m.GetGauge().GetValue()
	case m.Untyped != nil:
		v = m.GetUntyped().GetValue()
	default:
		return 0, false
	}
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

func sum(vs []float64) float64 {
	var s float64
	for _, v := range vs {
		s += v
	}
	return s
}

func mean(vs []float64) float64 { return sum(vs) / float64(len(vs)) }

func highest(vs []float64) float64 {
	h := vs[0]
	for _, v := range vs {
		h = max(h, v)
	}
	return h
}

// count and share clamp a server's figure to its valid range.
func count(v float64) int     { return int(min(max(math.Round(v), 0), math.MaxInt32)) }
func share(v float64) float64 { return min(max(v, 0), 1) }

// ErrTooLong: the answer was longer than Options.MaxBytes.
var ErrTooLong = errors.New("metrics too long")

type bounded struct {
	r           io.Reader
	left, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLong, b.limit)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
