package canary

import (
	"math"
	"slices"
	"time"
)

// The measures compared.
const (
	errorRate = iota
	ttft
	tpot
	measures
)

var names = [measures]string{"errors", "ttft", "tpot"}

// Times are compared at two quantiles of the stable version's times: the median
// and the tail. Errors have one cut: failed or not.
const cuts = 2

// tails is the share of the stable version's attempts beyond each cut.
var tails = [cuts]float64{0.5, 0.1}

// odds are the alternatives tested at once: how many times the stable version's
// odds of being slow or failing the canary's odds may be.
var odds = [...]float64{1.3, 1.7, 2.5, 4, 8, 20}

// test is the evidence so far that the canary is worse in one measure.
//
// It is a test by betting and may be looked at after every request: in an
// endless trial, the probability that the evidence against a canary no worse
// ever reaches x is at most 1/x (Ville's inequality). "Significantly worse" is
// therefore evidence of at least the threshold, at any time. No number of
// requests must be awaited.
//
// Attempts are taken in blocks with some of each version. A block has a stable
// and b canary attempts, each failing (or being slow) or not. The bet on
// "stable θa, canary θb > θa" pays
//
//	S = Π stable p(y; θa)/p(y; θ0) · Π canary p(y; θb)/p(y; θ0),  θ0 = (a·θa + b·θb)/(a + b)
//
// which is the e-variable for two Bernoulli streams of Turner, Ly, Grünwald,
// "Generic E-variables for exact sequential k-sample tests that allow for
// optional stopping" (Journal of Statistical Planning and Inference 230, 2024;
// arXiv 2106.02693). Its mean is at most 1 if the canary fails no more often
// than the stable version. This holds at any rate, even one that differs from
// block to block: a bad hour of both versions is no evidence. (For one common
// rate t the mean of a factor is fa(t) or fb(t), both linear in t, with a·fa +
// b·fb = a + b. So fa^a·fb^b ≤ 1 by the inequality of means. For a canary with
// a lower rate than the stable one, fb is less, since it rises with t, and fa
// falls with it.) Bets of successive blocks multiply. The six alternatives, and
// the two cuts of times, are averaged, as in the mixture sequential probability
// ratio test (Robbins, Annals of Mathematical Statistics 41, 1970; Johari,
// Koomen, Pekelis, Walsh, "Peeking at A/B tests", KDD 2017).
//
// This assumes attempts independent of each other. Where callers stick to a
// version, it assumes similar callers.
type test struct {
	Cuts   [cuts]time.Duration      `json:"cuts"`   // limits beyond which a time is slow; 0: not known yet
	Block  [cuts][arms]count        `json:"block"`  // not settled yet
	Step   [cuts][arms]count        `json:"step"`   // all of this step
	Base   count                    `json:"base"`   // the stable version in this trial: the base rate for bets on errors
	Wealth [cuts][len(odds)]float64 `json:"wealth"` // logarithms
	Log    float64                  `json:"log"`    // of the mean of Wealth: the evidence
}

// count is a number of attempts and how many of them failed or were slow.
type count struct {
	N int `json:"n"`
	K int `json:"k"`
}

func (c *count) add(hit bool) {
	c.N++
	if hit {
		c.K++
	}
}

func (c count) share() float64 { return float64(c.K) / float64(max(c.N, 1)) }

// blockMin is the least number of attempts of each version in a block of times,
// errorsMin in a block of errors, where few attempts say much.
const (
	blockMin  = 10
	errorsMin = 3
)

func (t *test) count(a Arm, cut int, hit bool) {
	t.Block[cut][a].add(hit)
	t.Step[cut][a].add(hit)
}

// between says whether no block is open: then the cuts may move.
func (t *test) between() bool { return t.Block[0][Stable].N+t.Block[0][Canary].N == 0 }

// settle bets on the block if it is complete. The choice of attempts in a block
// depends on the version they went to, never on their results.
func (t *test) settle(rate bool) {
	least := blockMin
	if rate {
		least = errorsMin
	}
	if t.Block[0][Stable].N < least || t.Block[0][Canary].N < least {
		return
	}
	for i := range t.Block {
		stable, canary := t.Block[i][Stable], t.Block[i][Canary]
		base := tails[i]
		if rate {
			base = t.base()
		}
		if stable.N > 0 {
			for k, o := range odds {
				t.Wealth[i][k] += bet(stable, canary, base, o)
			}
		}
		if rate {
			t.Base.N += stable.N
			t.Base.K += stable.K
			break
		}
	}
	t.Block = [cuts][arms]count{}
	if rate {
		t.Log = logMean(t.Wealth[0][:])
	} else {
		t.Log = logMean(slices.Concat(t.Wealth[0][:], t.Wealth[1][:]))
	}
}

// base is the stable version's failure rate before this block, with half a
// failure in 50 attempts added.
func (t *test) base() float64 {
	return min((float64(t.Base.K)+0.5)/(float64(t.Base.N)+50), 0.95)
}

// bet returns the logarithm of a block's payoff on the alternative that the
// canary's odds are that many times the stable version's.
func bet(stable, canary count, base, odds float64) float64 {
	worse := odds * base / (1 - base + odds*base)
	a, b := float64(stable.N), float64(canary.N)
	null := (a*base + b*worse) / (a + b)
	hits, misses := math.Log(base/null), math.Log((1-base)/(1-null))
	pay := float64(stable.K)*hits + float64(stable.N-stable.K)*misses
	hits, misses = math.Log(worse/null), math.Log((1-worse)/(1-null))
	return pay + float64(canary.K)*hits + float64(canary.N-canary.K)*misses
}

// logMean returns the logarithm of the mean of values given by their
// logarithms.
func logMean(logs []float64) float64 {
	best, sum := slices.Max(logs), 0.0
	for _, l := range logs {
		sum += math.Exp(l - best)
	}
	return best + math.Log(sum/float64(len(logs)))
}

// reset begins a step: another share of the traffic is another trial, with its
// own part of the false alarms.
func (t *test) reset() {
	*t = test{Cuts: t.Cuts, Base: t.Base}
}
