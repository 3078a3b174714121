package scale

import "time"

// Answers compares the real length of answers with the length expected on
// arrival. The gateway reserves for long answers (a high quantile of those
// seen); replicas need capacity for the mean.
type Answers struct {
	From     Sample  `json:"from,omitzero"`
	Arrived  float64 `json:"arrived"`  // recent requests
	Prompt   float64 `json:"prompt"`   // tokens of their prompts
	Expected float64 `json:"expected"` // tokens expected of them
	Done     float64 `json:"done"`     // recently completed requests
	Real     float64 `json:"real"`     // tokens of their answers
}

const (
	answersEvery  = 10 * time.Second
	answersOfLate = 3000.0 // requests in the sums
	answersEnough = 20     // completed requests before the ratio is used
	answersLeast  = 0.05
	answersMost   = 2.0
)

// saw adds arrivals and completions since the last sample.
func (a *Answers) saw(o *Observation) {
	now := sampled(o)
	if a.From.At == 0 || !a.From.before(now) {
		a.From = now
		return
	}
	if now.At.Sub(a.From.At) < answersEvery {
		return
	}
	arrived := a.Arrived
	ofLate(&arrived, &a.Prompt, float64(now.Arrived-a.From.Arrived), float64(now.Prompt-a.From.Prompt))
	ofLate(&a.Arrived, &a.Expected, float64(now.Arrived-a.From.Arrived), float64(now.Output-a.From.Output))
	ofLate(&a.Done, &a.Real, float64(now.Done-a.From.Done), float64(now.Decode-a.From.Decode))
	a.From = now
}

// ofLate adds n requests with their tokens to sums over about answersOfLate
// requests; older ones fade.
func ofLate(sum, tokens *float64, n, more float64) {
	keep := 1.0
	if *sum+n > answersOfLate && *sum > 0 {
		keep = max(0, (answersOfLate-n) / *sum)
	}
	*sum, *tokens = *sum*keep+n, *tokens*keep+more
}

// ratio returns the mean answer over the mean expected answer.
func (a *Answers) ratio() float64 {
	if a.Done < answersEnough || a.Expected <= 0 || a.Arrived <= 0 {
		return 1
	}
	return min(max(a.Real/a.Done/(a.Expected/a.Arrived), answersLeast), answersMost)
}
