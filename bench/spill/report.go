package main

import (
	"fmt"
	"slices"
	"time"
)

const preface = `# Wait or spill

Written by ` + "`cd bench/spill && go run . -traces DIR -out ../../docs/benchmarks/spill.md`" + `.

One provisioned deployment of gpt-4o (an output token counts as 4) before two
pay-as-you-go regions that always have room. The provisioned deployment is the
bucket Azure describes, in virtual time: it refuses when it is over the brim and
says when it will not be, books prompt and max_tokens, and corrects when the
answer is whole. It holds 10 s of its throughput where nothing else is said; Azure
does not publish it, and Weir believes in a minute, its default. Callers send as
max_tokens the next power of two, from 64, that holds their answer; Weir's
estimate of a prompt is off by up to 20 % either way. A first token takes 250 ms
and 50 µs for each token of the prompt, on either; 2 s are promised.

Utilisation is what the provisioned deployment served, of its throughput over the
whole time, quiet minutes included (the code trace has many); "of possible" is
what it served of what the floor lets it serve, so 100 % means that it was never
idle while there was something to do. The floor is what has to spill whatever a policy does: what
flows over a bucket as large as Azure's and the time requests may wait together,
if requests could be split. Cost is that of what spilled, at $2.50 and $10.00 for
a million tokens. 429 are those the gateway was sent; no caller ever saw one
unless the last column says so.

The plain policies are what other gateways do: send on what is refused and ask
again with the next request; open the circuit for Retry-After, rounded up to
seconds; cool down for five seconds.
`

const header = "| policy | utilisation | of possible | spilled, of demand | over the floor | cost/h | TTFT promised and kept | wait p50 | p99 | 429 | seen by callers |\n|---|---|---|---|---|---|---|---|---|---|---|\n"

func row(name string, d demand, p provisioned, x result) string {
	slices.Sort(x.waits)
	at := func(q float64) string {
		return x.waits[min(int(q*float64(len(x.waits))), len(x.waits)-1)].Round(time.Millisecond).String()
	}
	least := floor(d, p)
	over := "-"
	if least > 0 {
		over = fmt.Sprintf("%+.1f %%", 100*(x.spilled/least-1))
	} else if x.spilled > 0 {
		over = "nothing had to"
	}
	return fmt.Sprintf("| %s | %.1f %% | %.2f %% | %.1f %% | %s | $%.2f | %.2f %% | %s | %s | %d | %d |\n", name,
		100*x.served/(p.drain*(1-p.others)*d.length.Seconds()), 100*x.served/(d.total-least), 100*x.spilled/d.total, over,
		float64(x.cost)/1e6/d.length.Hours(), 100*(1-float64(x.missed+x.seen)/float64(len(d.requests))),
		at(0.5), at(0.99), x.refused, x.seen)
}
