// Command fairness measures how one tenant's burst delays another's first tokens:
// the built `weir serve` with emulated replicas as its processes, one small tenant,
// and one that sends twenty times as many requests.
//
//	go run . -out ../../docs/benchmarks/fairness.md
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	p := setting{}
	out := flag.String("out", "-", "report `file`; - is standard output")
	flag.StringVar(&p.weir, "weir", "", "the program; none: it is built")
	flag.IntVar(&p.replicas, "replicas", 4, "emulated replicas")
	flag.IntVar(&p.slots, "slots", 16, "requests in flight on each")
	flag.Float64Var(&p.speed, "speed", 3, "how many times faster than an L4 they are")
	flag.Float64Var(&p.rate, "rate", 1.6, "requests a second of the small tenant")
	flag.IntVar(&p.times, "times", 20, "how many times as much the large one sends")
	flag.DurationVar(&p.length, "length", 200*time.Second, "of each play")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, p, *out); err != nil {
		fmt.Fprintln(os.Stderr, "fairness:", err)
		os.Exit(1)
	}
}

// setting is what is measured.
type setting struct {
	weir            string
	replicas, slots int
	speed, rate     float64
	times           int
	length          time.Duration
}

func run(ctx context.Context, p setting, out string) error {
	dir, err := os.MkdirTemp("", "fairness")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if p.weir == "" {
		if p.weir, err = build(ctx, dir); err != nil {
			return err
		}
	}
	server, err := serve(ctx, p, dir)
	if err != nil {
		return err
	}
	defer server.stop()
	plays, err := measure(ctx, p, server.url)
	if err != nil {
		return err
	}
	text := report(p, plays)
	if out == "-" {
		_, err = io.WriteString(os.Stdout, text)
		return err
	}
	return os.WriteFile(out, []byte(text), 0o644)
}

// report is the page.
func report(p setting, plays []play) string {
	var b strings.Builder
	fmt.Fprintf(&b, preface, p.replicas, p.slots, p.speed, p.rate, p.times, p.length)
	b.WriteString("| what is played | small tenant: TTFT p50 | p99 | times alone | answered of sent | large tenant: TTFT p50 | answered of sent |\n|---|---|---|---|---|---|---|\n")
	alone := plays[0].small.TTFT.Quantile(0.99)
	for _, x := range plays {
		small, large := x.small, "- | -"
		if x.large != nil {
			large = fmt.Sprintf("%v | %d of %d", round(x.large.TTFT.Quantile(0.5)), x.large.Completed, x.large.Arrived)
		}
		fmt.Fprintf(&b, "| %s | %v | %v | %.2f | %d of %d | %s |\n", x.what, round(small.TTFT.Quantile(0.5)), round(small.TTFT.Quantile(0.99)),
			float64(small.TTFT.Quantile(0.99))/float64(alone), small.Completed, small.Arrived, large)
	}
	b.WriteString(closing)
	return b.String()
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

const preface = `# Fairness between tenants

## Measured

Written by ` + "`cd bench/fairness && go run . -out ../../docs/benchmarks/fairness.md`" + `: the
program built from this tree, with emulated replicas as its processes and callers
over loopback, all on one machine. Requests are drawn from ten minutes of
azure23_conv, with exponential gaps.

%d replicas with %d slots each, %g times as fast as Llama-3.1-8B on an L4. The
small tenant sends %g requests a second, the large one %d times as many, which is
more than there is room for; both have the same share. Each play takes %v; the
small tenant sends the same requests at the same times in all of them. TTFT is
what callers see, from when a request was due. A prompt beyond the 8,192 tokens the
replicas take is refused by them; a request that has waited for 30 s is refused by Weir.

`

const closing = `
The last line is the same load with both as one tenant: first come, first served.

## In the simulator

` + "`go test ./sim -run Burst -v`" + ` plays the same in virtual time, where it is exact and
asserted: TTFT p99 of the small tenant, beside the large one, in times of what it
is alone. Replicas are Llama-3.1-8B on an H100, max_prefill is 512.

| what | replicas x slots | times alone | allowed by the test | before: fair queueing alone |
|---|---|---|---|---|
| 20 times as many requests | 2 x 64 | 1.11 | 1.2 | 3.29 |
| the same | 2 x 32 | 1.10 | 1.2 | 4.57 |
| the same | 2 x 128 | 1.13 | 1.2 | 3.25 |
| the same | 4 x 64 | 1.11 | 1.2 | 2.04 |
| as many requests, prompts 20 times as long | 4 x 64 | 1.73 | 2 | 235 |
| 20 times as many requests | 1 x 64 | 1.46 | 1.6 | 5.07 |

The last two are over 1.2. A replica computes a prompt that it has begun to its
end before the next one's, and a batch of long contexts makes every step longer
for every request in it: no gateway can undo that. With one replica there is
no other to keep free.

What it costs is the large tenant's alone, and nobody's where one tenant is
alone: with 2 x 64 and 4 x 64 slots no more than 2 % of what is answered in all, with 2 x
128 slots 19 % (the prompts of the large tenant then wait for one replica of two).
` + "`max_prefill`" + ` is the knob: 1024 costs 11 % there, and the small tenant 1.25 instead
of 1.13. See ../decisions/0015-room-for-those-who-have-less.md.
`
