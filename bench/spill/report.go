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
bucket Azure describes, in virtual time: it refuses while it is over the brim and
says until when, books prompt and max_tokens, and corrects the booking when the
answer is complete. It holds 10 s of its throughput unless a heading says otherwise;
Azure does not publish the size, and Weir assumes a minute, its default. Callers send as
max_tokens the next power of two, from 64, that holds their answer; Weir's
estimate of a prompt is off by up to 20 % either way. A first token takes 250 ms
and 50 µs for each token of the prompt, on either kind of deployment; the target is 2 s.

Utilisation is what the provisioned deployment served, of its throughput over the
whole time, quiet minutes included (the code trace has many); "of possible" is
what it served of the most it could serve, so 100 % means that it was never
idle while there was work. The floor is what must spill under any policy: the
overflow of a bucket as large as Azure's plus the time requests may wait, if
requests could be split. Cost is the cost of the spilled requests, at $2.50 and
$10.00 for a million tokens. The column 429 counts refusals the gateway received;
the last column counts those that reached a caller.

The plain policies are what other gateways do: spill a refused request and try
again with the next one; open the circuit for Retry-After, rounded up to
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
