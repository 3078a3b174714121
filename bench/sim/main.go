// Command sim compares scaling policies on recorded traffic, as
// docs/benchmarks/policies.md shows: every policy over the same dispatch,
// fleet and engine in virtual time, each baseline swept over its one main
// knob, beside the fluid bound, a clairvoyant schedule and Weir with foresight.
//
//	go run . -traces DIR -out ../../docs/benchmarks/policies.md
//
// What has been run is kept in the file given by -done, one JSON object a line,
// so that a comparison that was interrupted goes on, and one with more cold
// starts or traces runs only those. Remove it after a change of the code. What
// notes.md says of the figures stands beside them: look at it when they change.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// settings are the command line.
type settings struct {
	dir, out, done string
	traces         []string
	policies       []string // none: all
	colds          []time.Duration
	loads          []float64
	phases, seeds  int
	thin           int // of a knob's values, every so many are run
	jobs           int
	rounds         int
	quiet          bool
}

func main() {
	s, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

func parse(args []string) (settings, error) {
	var s settings
	var only, policies, colds, loads string
	fs := flag.NewFlagSet("sim", flag.ContinueOnError)
	fs.StringVar(&s.dir, "traces", "", "`folder` of the traces, NAME.csv.gz each")
	fs.StringVar(&s.out, "out", "-", "report `file`; - is standard output")
	fs.StringVar(&s.done, "done", "results.jsonl", "`file` of what has been run")
	fs.StringVar(&only, "only", "", "`names` of traces, with commas; none: all of the protocol")
	fs.StringVar(&policies, "policy", "", "`names` of policies to run what is not yet run of, with commas; none: all")
	fs.StringVar(&colds, "cold", "30s,90s,155s,300s", "cold starts")
	fs.StringVar(&loads, "load", "1,4", "multiples of the load")
	fs.IntVar(&s.phases, "phases", 10, "shifts of the control tick, each 1.5 s, for policies at their best")
	fs.IntVar(&s.seeds, "seeds", 5, "seeds of the cold starts' spread, likewise")
	fs.IntVar(&s.thin, "thin", 1, "run every so many of a knob's values, and the last")
	fs.IntVar(&s.jobs, "jobs", 2, "runs at once")
	fs.IntVar(&s.rounds, "rounds", 2, "of improvement of the clairvoyant schedule")
	fs.BoolVar(&s.quiet, "quiet", false, "do not say what is running")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	for _, w := range workloads {
		if only == "" || slices.Contains(strings.Split(only, ","), w.name) {
			s.traces = append(s.traces, w.name)
		}
	}
	if policies != "" {
		s.policies = strings.Split(policies, ",")
	}
	for _, text := range strings.Split(colds, ",") {
		d, err := time.ParseDuration(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, "sim: -cold:", err)
			return s, err
		}
		s.colds = append(s.colds, d)
	}
	for _, text := range strings.Split(loads, ",") {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || x <= 0 {
			fmt.Fprintf(os.Stderr, "sim: -load: %q is no factor above zero\n", text)
			return s, strconv.ErrSyntax
		}
		s.loads = append(s.loads, x)
	}
	return s, nil
}

// wants says whether a policy was asked for.
func (s settings) wants(name string) bool {
	return s.policies == nil || slices.Contains(s.policies, name)
}

// contenders are those asked for.
func (s settings) contenders(w *workload, cold time.Duration) []contender {
	all := contenders(w, cold)
	if s.policies == nil {
		return all
	}
	return slices.DeleteFunc(all, func(c contender) bool { return !slices.Contains(s.policies, c.name) })
}

// run plays what has not been played and writes the report.
func (s settings) run(ctx context.Context) error {
	book, err := openBook(s.done)
	if err != nil {
		return err
	}
	defer book.close()
	for _, name := range s.traces {
		for _, load := range s.loads {
			w, err := open(s.dir, name, load)
			if err != nil {
				return err
			}
			for _, cold := range s.colds {
				if err := s.compare(ctx, book, w, cold); err != nil {
					return fmt.Errorf("%s x %v, cold start %v: %w", name, load, cold, err)
				}
			}
		}
	}
	return s.report(book)
}

// compare plays every contender on one workload and cold start: first the
// sweep, then each at its best knob with other phases and seeds.
func (s settings) compare(ctx context.Context, book *book, w *workload, cold time.Duration) error {
	cell := cell{Trace: w.name, Load: w.load, Cold: cold.Seconds()}
	var sweep []trial
	for _, c := range s.contenders(w, cold) {
		for _, knob := range every(s.thin, c.knobs) {
			sweep = append(sweep, trial{cell: cell, Policy: c.name, Knob: knob})
		}
	}
	sweep = append(sweep, trial{cell: cell, Policy: boundName})
	if err := s.playAll(ctx, book, w, sweep); err != nil {
		return err
	}
	if s.wants(staticName) {
		if err := s.bestFixed(ctx, book, w, cell); err != nil {
			return err
		}
	}
	// Last: with it a cell counts as swept whole.
	if s.wants(oracleName) {
		if err := s.playAll(ctx, book, w, []trial{{cell: cell, Policy: oracleName}}); err != nil {
			return err
		}
	}
	var repeats []trial
	for _, c := range s.contenders(w, cold) {
		best, ok := book.best(cell, c.name)
		if !ok {
			continue
		}
		for phase := range s.phases {
			for seed := range s.seeds {
				if phase+seed > 0 {
					repeats = append(repeats, trial{cell: cell, Policy: c.name, Knob: best.Knob, Phase: phase, Seed: seed})
				}
			}
		}
	}
	return s.playAll(ctx, book, w, repeats)
}

// every is each n-th value, and the last.
func every(n int, values []float64) []float64 {
	var some []float64
	for i, v := range values {
		if i%max(n, 1) == 0 || i == len(values)-1 {
			some = append(some, v)
		}
	}
	return some
}

// bestFixed looks for the least constant number of replicas that attains.
func (s settings) bestFixed(ctx context.Context, book *book, w *workload, c cell) error {
	for low, high := 0, maxReplicas; high-low > 1; {
		t := trial{cell: c, Policy: staticName, Knob: float64((low + high) / 2)}
		if err := s.playAll(ctx, book, w, []trial{t}); err != nil {
			return err
		}
		if book.row(t).Attainment >= attainment {
			high = (low + high) / 2
		} else {
			low = (low + high) / 2
		}
	}
	return nil
}

// playAll plays trials that are not in the book, some at once.
func (s settings) playAll(ctx context.Context, book *book, w *workload, trials []trial) error {
	queue := make(chan trial)
	faults := make(chan error, s.jobs)
	var players sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range max(1, s.jobs) {
		players.Go(func() {
			for t := range queue {
				err := s.play(ctx, book, w, t)
				if err != nil {
					faults <- err
					cancel()
					return
				}
			}
		})
	}
feed:
	for _, t := range trials {
		if book.has(t) {
			continue
		}
		select {
		case queue <- t:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	players.Wait()
	close(faults)
	for err := range faults {
		return err
	}
	return ctx.Err()
}

func (s settings) play(ctx context.Context, book *book, w *workload, t trial) error {
	began := time.Now()
	fixed := 0
	if best, ok := book.best(t.cell, staticName); ok && best.Attainment >= attainment {
		fixed = int(best.Knob)
	}
	row, err := w.play(ctx, t, s.rounds, fixed)
	if err != nil {
		return fmt.Errorf("%s, knob %v: %w", t.Policy, t.Knob, err)
	}
	if !s.quiet {
		fmt.Fprintf(os.Stderr, "%s x%v %vs %s %v %d/%d: %.1f GPU-h, %.2f %% (%v)\n", t.Trace, t.Load, t.Cold, t.Policy, t.Knob, t.Phase, t.Seed,
			row.GPUHours, 100*row.Attainment, time.Since(began).Round(time.Millisecond))
	}
	return book.add(row)
}
