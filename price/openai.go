package price

import (
	"fmt"
	"math"
)

// Tokens is the token prices of an Azure OpenAI model, per 1,000,000.
type Tokens struct {
	Model        string `yaml:"model"`
	SKU          string `yaml:"sku"`              // deployment type: GlobalStandard, DataZoneStandard, Standard
	Region       string `yaml:"region,omitempty"` // "": the same everywhere
	Source       string `yaml:"source"`
	Input        Price  `yaml:"input"`
	Cached       Price  `yaml:"cached"`      // input the service had cached
	CacheWrite   Price  `yaml:"cache_write"` // input written to the cache
	Output       Price  `yaml:"output"`
	BatchPercent Figure `yaml:"batch_percent"` // batch price in per cent of these
	Embedding    bool   `yaml:"embedding,omitempty"`
	Note         string `yaml:"note,omitempty"`
}

func (t *Tokens) keys() []string {
	if t.Region == "" {
		return []string{joined(t.Model, t.SKU)}
	}
	return []string{joined(t.Model, t.SKU, t.Region)}
}

// PTU is the capacity of one provisioned throughput unit for a model, and the
// numbers of units on offer. Weights are the input tokens that one token of
// that kind counts as.
type PTU struct {
	Model          string `yaml:"model"`
	Version        string `yaml:"version,omitempty"`
	Source         string `yaml:"source"`
	InputTPM       Figure `yaml:"input_tpm_per_ptu"` // normalised tokens a minute
	OutputWeight   Figure `yaml:"output_weight"`
	CachedWeight   Figure `yaml:"cached_weight"`
	CacheWrite     Figure `yaml:"cache_write_weight"`
	LongInput      Figure `yaml:"long_input_weight"` // weights of long contexts, if different
	LongCached     Figure `yaml:"long_cached_weight"`
	LongCacheWrite Figure `yaml:"long_cache_write_weight"`
	LongOutput     Figure `yaml:"long_output_weight"`
	Global         Steps  `yaml:"global"`
	DataZone       Steps  `yaml:"data_zone"`
	Regional       Steps  `yaml:"regional"`
	Speed          Figure `yaml:"tokens_per_second"` // the latency target
	MaxPrompt      int    `yaml:"max_prompt,omitempty"`
	Note           string `yaml:"note,omitempty"`
}

// Steps are the possible numbers of PTUs of one deployment: Minimum, and then
// by Increment. The zero Steps: not offered, or unknown.
type Steps struct {
	Minimum   int `yaml:"minimum"`
	Increment int `yaml:"increment"`
}

func (p *PTU) keys() []string { return []string{p.Model} }

// Deployment types of provisioned throughput.
const (
	GlobalProvisioned   = "GlobalProvisionedManaged"
	DataZoneProvisioned = "DataZoneProvisionedManaged"
	RegionalProvisioned = "ProvisionedManaged"
)

// Steps returns the numbers of PTUs a deployment type allows.
func (p PTU) Steps(sku string) (Steps, error) {
	s := Steps{}
	switch sku {
	case GlobalProvisioned:
		s = p.Global
	case DataZoneProvisioned:
		s = p.DataZone
	case RegionalProvisioned:
		s = p.Regional
	default:
		return s, fmt.Errorf("deployment type %q is not provisioned: use %s, %s or %s", sku, GlobalProvisioned, DataZoneProvisioned, RegionalProvisioned)
	}
	if s.Increment <= 0 {
		return s, fmt.Errorf("%s of %s is %w: it is not offered, or its steps are not known", sku, p.Model, ErrUnknown)
	}
	return s, nil
}

// Exact returns how many PTUs carry a load, before minimum and increment.
// Arguments are tokens a minute; cached ones are part of input.
//
// 1,000 requests a minute of gpt-5.2 with 200 in and 20 out are 200,000 and
// 8 x 20,000 normalised tokens a minute; at 3,400 per PTU, 105.88 PTUs. Source:
// Microsoft's sizing guide, 2026-09-23.
func (p PTU) Exact(input, cached, output float64) (float64, error) {
	perPTU, err := p.InputTPM.Get()
	if err != nil {
		return 0, err
	}
	outputWeight, err := p.OutputWeight.Get()
	if err != nil {
		return 0, err
	}
	cachedWeight, err := p.CachedWeight.Get()
	if err != nil {
		return 0, err
	}
	cached = min(cached, input)
	return (input - cached + cachedWeight*cached + outputWeight*output) / perPTU, nil
}

// Round returns the fewest PTUs of these steps that are not fewer than exact.
func (s Steps) Round(exact float64) int {
	// A load computed as 110.0000000001 needs 110.
	need := int(math.Ceil(exact - 1e-9))
	if need <= s.Minimum || s.Increment <= 0 {
		return s.Minimum
	}
	return (need + s.Increment - 1) / s.Increment * s.Increment
}

// PTUPrice is the price of one PTU of a deployment type.
type PTUPrice struct {
	SKU    string `yaml:"sku"`
	Region string `yaml:"region,omitempty"` // "": the same everywhere
	Source string `yaml:"source"`
	Hour   Price  `yaml:"hour"`
	Month  Price  `yaml:"month"` // reserved, the whole month
	Year   Price  `yaml:"year"`  // reserved, the whole year
}

func (p *PTUPrice) keys() []string {
	if p.Region == "" {
		return []string{p.SKU}
	}
	return []string{joined(p.SKU, p.Region)}
}

// Meter is the meaning of a meter of the Azure Retail Prices API.
type Meter struct {
	Meter  string    `yaml:"meter"` // meterName, compared exactly
	Source string    `yaml:"source"`
	Model  string    `yaml:"model,omitempty"`
	SKU    string    `yaml:"sku"`
	Kind   MeterKind `yaml:"kind"`
}

// MeterKind is the kind of usage a meter counts.
type MeterKind string

const (
	InputMeter  MeterKind = "input"
	CachedMeter MeterKind = "cached"
	WriteMeter  MeterKind = "cache_write"
	OutputMeter MeterKind = "output"
	PTUMeter    MeterKind = "ptu"
)

func (k MeterKind) valid() bool {
	return k == InputMeter || k == CachedMeter || k == WriteMeter || k == OutputMeter || k == PTUMeter
}

func (m *Meter) keys() []string { return []string{m.Meter} }
