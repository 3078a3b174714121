package ticks

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

const minute = time.Minute

// point is a load from a moment on.
type point struct {
	at   time.Duration
	load float64
}

// steps is a load that jumps.
func steps(points ...point) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		load := 0.0
		for _, p := range points {
			if at >= p.at {
				load = p.load
			}
		}
		return load
	}
}

// ramps is a load that goes in straight lines, in whole requests.
func ramps(points ...point) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		for i := 1; i < len(points); i++ {
			a, b := points[i-1], points[i]
			if at < b.at {
				return math.Round(a.load + (b.load-a.load)*float64(at-a.at)/float64(b.at-a.at))
			}
		}
		return points[len(points)-1].load
	}
}

// bursts is a load that jumps to high for a while, again and again.
func bursts(low, high float64, every, during time.Duration) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if at%every < during {
			return high
		}
		return low
	}
}

// walk is a load that jumps to a level drawn from a seed, from nothing to some
// hundreds, and stays for ten seconds to two minutes.
func walk(lasts time.Duration, seed uint64) func(time.Duration) float64 {
	draw := rand.New(rand.NewPCG(seed, 0))
	var points []point
	for at := time.Duration(0); at < lasts; at += time.Duration(10+draw.IntN(110)) * time.Second {
		points = append(points, point{at, math.Floor(math.Exp(6.2*draw.Float64())) - 1})
	}
	return steps(points...)
}

// courses are what every policy is driven through. Loads are for a target of
// about 20 requests a replica.
func courses(recorded func(time.Duration) float64) []Case {
	return []Case{
		{Name: "step", Start: 1, Cold: 90 * time.Second, course: course{lasts: 20 * minute,
			load: steps(point{0, 10}, point{2 * minute, 200}, point{8 * minute, 10})}},
		{Name: "ramp", Start: 2, Cold: 30 * time.Second, course: course{lasts: 30 * minute,
			load: ramps(point{0, 30}, point{10 * minute, 400}, point{15 * minute, 410}, point{25 * minute, 20})}},
		{Name: "bursts", Start: 3, Cold: 20 * time.Second, course: course{lasts: 20 * minute,
			load: bursts(40, 330, 4*minute, 50*time.Second)}},
		{Name: "drop", Start: 16, Cold: 155 * time.Second, course: course{lasts: 20 * minute,
			load: steps(point{0, 320}, point{3 * minute, 5})}},
		{Name: "loss", Start: 10, Cold: 45 * time.Second, course: course{lasts: 12 * minute, loses: 4 * minute,
			load: steps(point{0, 195}, point{6 * minute, 215})}},
		{Name: "edges", Start: 4, Cold: 10 * time.Second, course: course{lasts: 25 * minute, // just within and just beyond 10 % of 4 x 20
			load: steps(point{0, 80}, point{5 * minute, 88}, point{10 * minute, 89}, point{15 * minute, 90}, point{20 * minute, 72})}},
		{Name: "walk", Start: 2, Cold: 60 * time.Second, course: course{lasts: 40 * minute, loses: 20 * minute, load: walk(40*minute, 7)}},
		{Name: "recorded", Start: 4, Cold: 30 * time.Second, course: course{lasts: 10 * minute, load: recorded}},
	}
}

// Cases are those of a policy: "hpa", "kpa" or "apa". trace is the file of
// recorded requests they use.
func Cases(policy, trace string) ([]Case, error) {
	recorded, err := inFlight(trace)
	if err != nil {
		return nil, err
	}
	var cases []Case
	add := func(as string, like Case, only ...string) {
		for _, c := range courses(recorded) {
			if len(only) > 0 && c.Name != only[0] {
				continue
			}
			like.Name, like.Start, like.Cold, like.course = as+"-"+c.Name, c.Start, c.Cold, c.course
			cases = append(cases, like)
		}
	}
	switch policy {
	case "kpa":
		kpa := Case{Policy: "kpa", Target: 20, Min: 1, Max: 100, Every: 2 * time.Second}
		add("kpa", kpa)
		add("kpa-finer", kpa, "recorded")
		c := &cases[len(cases)-1]
		c.finer, c.Differs, c.Because = true, 1, "Knative scrapes every second, the baseline sees one level a tick"
		kpa.Min = 0
		add("kpa-to-zero", kpa, "drop")
		cases[len(cases)-1].load = steps(point{0, 320}, point{3 * minute, 0}, point{9 * minute, 50})
		add("kpa-to-zero", kpa, "bursts") // panic outlasts the load
		cases[len(cases)-1].load = bursts(0, 400, 4*minute, 12*time.Second)
	case "apa":
		add("apa", Case{Policy: "apa", Target: 20, Min: 1, Max: 50, Every: 10 * time.Second})
	case "hpa":
		hpa := Case{Target: 20, Min: 1, Max: 40, Every: 15 * time.Second}
		hpa.Policy = "hpa-concurrency"
		add("hpa-concurrency", hpa)
		hpa.Behavior = true
		add("hpa-behavior", hpa)
		hpa.Behavior = false
		hpa.Policy, hpa.Target = "hpa-queue", 5
		add("hpa-queue", hpa, "bursts")
		hpa.Policy, hpa.Target = "hpa", 0.7
		for _, name := range []string{"step", "ramp", "bursts", "drop", "loss", "walk", "recorded"} {
			add("hpa-utilisation", hpa, name)
			c := &cases[len(cases)-1]
			requests := c.load
			c.load = func(at time.Duration) float64 { return requests(at) / 25 }
		}
	default:
		return nil, fmt.Errorf("no cases of a policy %q", policy)
	}
	return cases, nil
}

// drawn is a case of a policy with everything in it drawn from a seed.
func drawn(policy string, seed uint64) *Case {
	draw := rand.New(rand.NewPCG(seed, 1))
	c := &Case{
		Name: fmt.Sprintf("%s-seed-%d", policy, seed), Policy: policy,
		Target: float64(5+draw.IntN(400)) / 10, Min: draw.IntN(3), Max: 3 + draw.IntN(100),
		Cold: time.Duration(draw.IntN(300)) * time.Second, Every: 2 * time.Second,
		course: course{lasts: 40 * minute, loses: time.Duration(draw.IntN(60)) * minute, load: walk(40*minute, seed)},
	}
	switch policy {
	case "apa":
		c.Every = 10 * time.Second
	case "hpa", "hpa-queue", "hpa-concurrency":
		c.Every, c.Min = 15*time.Second, max(c.Min, 1)
		c.Behavior = policy == "hpa-concurrency" && draw.IntN(2) == 0
	}
	if policy == "hpa" {
		requests, served := c.load, 2+40*draw.Float64()
		c.Target = float64(20+draw.IntN(75)) / 100
		c.load = func(at time.Duration) float64 { return requests(at) / served }
	}
	c.Start = max(c.Min, 1) + draw.IntN(c.Max-max(c.Min, 1)+1)
	return c
}

// inFlight is how many recorded requests are in flight at a moment, each
// served for as long as an unloaded replica takes: 0.1 ms a token of the
// prompt and 40 ms a token produced. Each counts for three, so that it takes
// several replicas.
func inFlight(trace string) (func(time.Duration) float64, error) {
	f, err := os.Open(trace)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", trace, err)
	}
	rows := csv.NewReader(unzipped)
	if _, err := rows.Read(); err != nil {
		return nil, fmt.Errorf("%s: %w", trace, err)
	}
	var change []float64 // by second: came less gone
	at := func(s float64) *float64 {
		for i := int(s); i >= len(change); {
			change = append(change, 0)
		}
		return &change[int(s)]
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", trace, err)
		}
		var v [3]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(row[i], 64); err != nil {
				return nil, fmt.Errorf("%s: %w", trace, err)
			}
		}
		*at(v[0])++
		*at(v[0] + 1 + v[1]*0.0001 + v[2]*0.04)--
	}
	for i := 1; i < len(change); i++ {
		change[i] += change[i-1]
	}
	return func(d time.Duration) float64 { return 3 * change[min(max(int(d/time.Second), 0), len(change)-1)] }, nil
}
