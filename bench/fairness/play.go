package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/load"
	"weir/trace"
)

// play is what callers saw in one play.
type play struct {
	what         string
	small, large *load.Result // large: nil where it did not play
}

// measure plays the small tenant alone, beside the large one, and beside it as
// one tenant with it.
func measure(ctx context.Context, p setting, url string) ([]play, error) {
	var plays []play
	for _, what := range []struct {
		name  string
		key   string
		large bool
	}{
		{"the small tenant alone", smallKey, false},
		{"beside the large one", smallKey, true},
		{"both as one tenant", alsoKey, true},
	} {
		fmt.Fprintln(os.Stderr, what.name)
		x := play{what: what.name}
		var wg sync.WaitGroup
		var errs [2]error
		wg.Go(func() { x.small, errs[0] = callers(ctx, p, url, what.key, 1, p.rate) })
		if what.large {
			wg.Go(func() { x.large, errs[1] = callers(ctx, p, url, largeKey, 2, p.rate*float64(p.times)) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return nil, err
			}
		}
		plays = append(plays, x)
		time.Sleep(5 * time.Second) // what was cut goes
	}
	return plays, nil
}

// callers play one tenant.
func callers(ctx context.Context, p setting, url, key string, seed uint64, rate float64) (*load.Result, error) {
	src, err := trace.AzureConversation()
	if err != nil {
		return nil, err
	}
	list, err := trace.ReadAll(src)
	if err != nil {
		return nil, err
	}
	drawn, err := trace.Gamma(rate, 1, p.length, rand.New(rand.NewPCG(seed, 1)), func(r *rand.Rand) (int, int) {
		a := list[r.IntN(len(list))]
		return a.Prompt, a.Output
	})
	if err != nil {
		return nil, err
	}
	return load.Play(ctx, load.Options{URL: url, Key: key, Model: "chat", Source: drawn, MaxInFlight: 10_000, Timeout: 2 * time.Minute})
}

// readyReplicas reads how many replicas are ready.
func readyReplicas(ctx context.Context, metrics string) (int, error) {
	r, err := get(ctx, metrics)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	sum := 0.0
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "weir_replicas{") || !strings.Contains(line, `state="ready"`) {
			continue
		}
		v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return int(sum), nil
}
