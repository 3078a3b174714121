package emulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"weir"
	"weir/engine"
)

// azureDeployment is a deployment with its limits and the replica that times
// its answers.
type azureDeployment struct {
	AzureDeployment
	server *Server
	stop   context.CancelFunc // of what moves it; nil until it does
	full   atomic.Uint64      // bits of the streams it feeds at full use; see speed

	mu     sync.Mutex
	bucket *ptuBucket // of a provisioned deployment, else nil
	quota  *tpmQuota  // of a standard one, else nil
	cache  promptCache
	guess  float64 // mean length of the latest answers, for requests without max_tokens
	counts azureCounts
}

// azureCounts are totals since the start, for measuring a gateway.
type azureCounts struct {
	Requests     uint64  `json:"requests"`
	Served       uint64  `json:"served"`
	Throttled    uint64  `json:"throttled"`
	Spilled      uint64  `json:"spilled"`       // of the served ones, those that arrived by spillover
	Normalised   float64 `json:"normalised"`    // tokens a provisioned deployment has drained
	PromptTokens uint64  `json:"prompt_tokens"` // of the served ones
	OutputTokens uint64  `json:"output_tokens"`
}

func newAzureDeployment(spec AzureDeployment, o AzureOptions) (*azureDeployment, error) {
	d := &azureDeployment{AzureDeployment: spec, guess: firstGuess}
	if spec.Name == "" || spec.Model == "" {
		return nil, errors.New("name and model must be given")
	}
	isProvisioned, err := kindOf(spec.SKU)
	if err != nil {
		return nil, err
	}
	if isProvisioned {
		err = d.fillProvisioned()
	} else {
		err = d.fillStandard()
	}
	if err != nil {
		return nil, err
	}
	if d.TokensPerSecond == 0 {
		d.TokensPerSecond = 50
	}
	if d.Context == 0 {
		d.Context = 128_000
	}
	if !(d.TokensPerSecond > 0) || d.Context < 0 || d.MaxPrompt < 0 {
		return nil, fmt.Errorf("%v tokens a second, context %d, longest prompt %d: want them above zero", d.TokensPerSecond, d.Context, d.MaxPrompt)
	}
	d.server, err = New(Options{
		Model: spec.Model, Speed: o.Speed, Seed: o.Seed, Context: d.Context, EmbeddingDim: spec.width(), MaxWaiting: 1 << 16,
		Spec: &engine.Spec{Speed: d.speed(), MaxSeqs: 4096, MaxBatchTokens: 1 << 20, KVTokens: 1 << 30},
	})
	return d, err
}

func (d *azureDeployment) fillProvisioned() error {
	if d.Window == 0 {
		d.Window = 10 * time.Second
	}
	if d.PTU < 1 || !(d.InputTPM > 0) || !(d.OutputWeight > 0) || !(d.CachedWeight >= 0) || d.Window < 0 || d.TPM != 0 || d.RPM != 0 {
		return fmt.Errorf("%d PTU of %v tokens a minute, output weighing %v: a provisioned deployment wants all three above zero, and no TPM", d.PTU, d.InputTPM, d.OutputWeight)
	}
	d.bucket = newPTUBucket(float64(d.PTU)*d.InputTPM/60, d.Window)
	return nil
}

func (d *azureDeployment) fillStandard() error {
	if d.RPM == 0 {
		d.RPM = d.TPM * rpmPerTPM / 1000
	}
	if d.TPM < 1 || d.RPM < 1 || d.PTU != 0 {
		return fmt.Errorf("%d tokens and %d requests a minute: a standard deployment wants both above zero, and no PTU", d.TPM, d.RPM)
	}
	d.quota = newTPMQuota(d.TPM, d.RPM)
	return nil
}

// azureSpeed times answers by load. A step takes half its full time when the
// deployment is idle, its full time when as many streams run as its throughput
// allows at the target speed, and more beyond. Microsoft gives the target speed
// of a provisioned deployment ("Provisioned throughput sizing", 2026-09-23),
// and none for standard ones, whose latency it says varies. The half, and the
// time of a prompt, are chosen here.
type azureSpeed struct {
	step  float64        // seconds per token at full use
	full  *atomic.Uint64 // bits of the streams at full use
	first float64        // seconds per prompt token
}

func (s azureSpeed) Step(b engine.Batch) engine.Cost {
	use := float64(b.Decode) / math.Float64frombits(s.full.Load())
	return engine.Cost{Fixed: engine.Picos(s.step*(1+use)/2 + s.first*float64(b.Prefill))}
}

// speed allows as many streams as the deployment's throughput in output tokens
// feeds; a standard deployment is one of many on the same machines.
func (d *azureDeployment) speed() engine.Speed {
	d.feed()
	return azureSpeed{step: 1 / d.TokensPerSecond, full: &d.full, first: 20e-6}
}

// feed sets how many streams the throughput feeds.
func (d *azureDeployment) feed() {
	perSecond := float64(d.TPM) / 60
	if d.bucket != nil {
		perSecond = d.bucket.drain / d.OutputWeight
	}
	d.full.Store(math.Float64bits(max(1, perSecond/d.TokensPerSecond)))
}

// firstGuess is the assumed output of a request without max_tokens before the
// first answer; guessMemory is the weight of one answer afterwards. The service
// also guesses ("Provisioned throughput", 2026-02-10), in an undocumented way.
const (
	firstGuess  = 500
	guessMemory = 0.05
)

// A refusal is why a deployment does not serve a request.
type refusal struct {
	problem
	after   time.Duration // emulated; with 429: the wait before a retry
	spills  bool          // another deployment may serve a request that spills over
	content bool          // by the content filter, with its own body
	fault   *armed        // injected
}

// admit books a request, or refuses it. output is the most it may produce, 0 if
// it does not say.
func (d *azureDeployment) admit(now weir.Instant, op azureOp, c *call) *refusal {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.Requests++
	output := float64(c.limits.most)
	if output == 0 && op.produces {
		output = d.guess
	}
	if d.bucket != nil {
		c.cached = d.cache.see(now, &c.prompt)
		c.booked = d.normalised(c.prompt.tokens, c.cached, output)
		if wait := d.bucket.take(now, c.booked); wait > 0 {
			return d.throttled(wait, ptuFull)
		}
		return nil
	}
	wait, over := d.quota.take(now, c.prompt.tokens+int(output))
	if wait > 0 {
		return d.throttled(wait, fmt.Sprintf(quotaFull, op.operation, over, max(1, seconds(wait))))
	}
	c.cached = d.cache.see(now, &c.prompt)
	return nil
}

func (d *azureDeployment) throttled(wait time.Duration, message string) *refusal {
	d.counts.Throttled++
	return &refusal{problem: problem{status: 429, code: "429", message: message}, after: wait, spills: true}
}

// normalised is the weighted sum of tokens ("Provisioned throughput sizing",
// 2026-09-23): output has its weight, cached input its own, which is zero
// before gpt-6.
func (d *azureDeployment) normalised(prompt, cached int, output float64) float64 {
	return float64(prompt-cached) + d.CachedWeight*float64(cached) + d.OutputWeight*output
}

// settle replaces the booking by the actual usage.
func (d *azureDeployment) settle(now weir.Instant, c *call, produced int, spilled bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.Served++
	if spilled {
		d.counts.Spilled++
	}
	d.counts.PromptTokens += uint64(c.prompt.tokens)
	d.counts.OutputTokens += uint64(produced)
	d.guess += guessMemory * (float64(produced) - d.guess)
	if d.bucket != nil {
		d.bucket.correct(now, d.normalised(c.prompt.tokens, c.cached, float64(produced))-c.booked)
	}
}

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
