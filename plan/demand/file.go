package demand

import (
	"cmp"
	"fmt"
	"time"

	"weir"
	"weir/config"
	"weir/plan"
)

// file is a demand.yaml.
type file struct {
	// The Azure OpenAI model, by its name in `weir price list tokens`.
	Model string `yaml:"model" format:"name" example:"gpt-4o"`
	// The open model replicas of your own would serve instead.
	OpenModel string `yaml:"open_model" format:"name" example:"Llama-3.1-70B"`
	// How the open model's weights are stored. Without it: as published.
	DType string `yaml:"dtype" enum:"bf16|fp16|fp8|fp8-block|int8|awq|gptq-int4|w4a16|mxfp4|nvfp4"`
	// The Azure region prices are of.
	Region string `yaml:"region" default:"eastus" format:"name"`

	// What is asked for at full rate. A trace or the ledger says it too.
	Requests     config.Rate `yaml:"requests" min:"1/h" max:"100M/s" example:"1000/min"`
	InputTokens  int         `yaml:"input_tokens" min:"0" max:"10000000" example:"1200"`
	OutputTokens int         `yaml:"output_tokens" min:"0" max:"10000000" example:"200"`
	// Share of the input tokens the service has in its prompt cache.
	Cached config.Percent `yaml:"cached" default:"0%" min:"0%" max:"100%"`
	// Share of the other input tokens that are written to that cache, where the
	// service charges for it (from gpt-6 on).
	CacheWrites config.Percent `yaml:"cache_writes" default:"0%" min:"0%" max:"100%"`
	// Share of requests with a context that the service charges as a long one
	// (from gpt-6 on).
	Long config.Percent `yaml:"long" default:"0%" min:"0%" max:"100%"`
	// When the rate is full. Without it: always.
	Hours *businessHours `yaml:"hours"`
	// The rate in each hour of the day, from midnight: 24 shares of the full one.
	Hourly []config.Percent `yaml:"hourly" min:"0%" max:"100%"`
	// With hourly: the share of it on Saturdays and Sundays.
	Weekend config.Percent `yaml:"weekend" default:"100%" min:"0%" max:"100%"`

	// What callers are promised.
	SLO config.SLO `yaml:"slo"`
	// Share of requests that may wait a day.
	Batch config.Percent `yaml:"batch" default:"0%" min:"0%" max:"100%"`
	// A smaller model, and the share of requests that accept it.
	Smaller *smallerModel `yaml:"smaller"`
	// Share of requests a response cache would answer.
	CacheHits config.Percent `yaml:"cache_hits" default:"0%" min:"0%" max:"100%"`
	// What the subscription may use. What is not given does not bound.
	Quota quotas `yaml:"quota"`
	// PTUs deployed today.
	PTUsToday int `yaml:"ptus_today" default:"0" min:"0" max:"100000"`
}

type businessHours struct {
	Days    []string       `yaml:"days" need:"true" enum:"mon|tue|wed|thu|fri|sat|sun" example:"mon, tue, wed, thu, fri"`
	From    int            `yaml:"from" default:"8" min:"0" max:"23"`
	To      int            `yaml:"to" default:"18" min:"1" max:"24"`
	Outside config.Percent `yaml:"outside" default:"0%" min:"0%" max:"100%"`
}

type smallerModel struct {
	Model string         `yaml:"model" need:"true" format:"name" example:"gpt-4o-mini"`
	Share config.Percent `yaml:"share" need:"true" min:"0%" max:"100%" example:"40%"`
}

type quotas struct {
	PTUs   *int         `yaml:"ptus" min:"0" max:"1000000"`
	Tokens *config.Rate `yaml:"tokens" min:"0/min" max:"100M/s" example:"2M/min"`
	VCPUs  *int         `yaml:"vcpus" min:"0" max:"1000000"`
}

var weekdays = map[string]time.Weekday{"mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday,
	"fri": time.Friday, "sat": time.Saturday, "sun": time.Sunday}

// parse reads a demand.yaml; the source's values override the file's. The error
// is a config.Faults with every fault.
func parse(s *Source) (file, error) {
	var f file
	src := s.Text
	if s.Name == "" {
		src = []byte("{}")
	}
	name := cmp.Or(s.Name, "command line")
	if err := config.Decode(name, src, &f); err != nil {
		return f, err
	}
	f.Model = cmp.Or(s.Model, f.Model)
	f.OpenModel = cmp.Or(s.OpenModel, f.OpenModel)
	f.Region = cmp.Or(s.Region, f.Region)
	if faults := f.faults(name, s); len(faults) > 0 {
		return f, faults
	}
	return f, nil
}

// faults are the faults of combinations of keys.
func (f *file) faults(name string, s *Source) config.Faults {
	var faults config.Faults
	counted := s.Counted()
	fault := func(path, problem, remedy string) {
		faults = append(faults, config.Fault{File: name, Line: 1, Column: 1, Path: path, Problem: problem, Remedy: remedy})
	}
	if f.Model == "" && f.OpenModel == "" {
		fault("model", "is missing", "give an Azure OpenAI model here, an open model as open_model, or both")
	}
	if !counted && f.Requests == 0 {
		fault("requests", "is missing", "give the rate, for example requests: 1000/min, or --trace or --ledger")
	}
	if !counted && f.InputTokens == 0 && f.OutputTokens == 0 {
		fault("input_tokens", "is missing", "give the size of a request, for example input_tokens: 1200 and output_tokens: 200")
	}
	if counted && (f.Requests != 0 || f.InputTokens != 0 || f.OutputTokens != 0 || f.Hours != nil || f.Hourly != nil) {
		fault("requests", "is given, but it also comes from the trace or the ledger", "remove requests, input_tokens, output_tokens, hours and hourly")
	}
	if s.Ledger != nil && f.Cached != 0 {
		fault("cached", "is given, but the ledger has it", "remove it")
	}
	if f.Hours != nil && f.Hourly != nil {
		fault("hours", "hours and hourly exclude each other", "give one of them")
	}
	if f.Hours != nil && f.Hours.From >= f.Hours.To {
		fault("hours.to", fmt.Sprintf("from %d to %d is an empty period", f.Hours.From, f.Hours.To), "to must be after from, on the same day")
	}
	if f.Hourly != nil && len(f.Hourly) != 24 {
		fault("hourly", fmt.Sprintf("has %d shares", len(f.Hourly)), "give 24, one for each hour of the day")
	}
	return faults
}

func (f *file) demand() plan.Demand {
	d := plan.Demand{
		Model: f.Model, OpenModel: f.OpenModel, DType: f.DType, Region: f.Region,
		SLO: weir.SLO{TTFT: f.SLO.TTFT, TPOT: f.SLO.TPOT}, Batch: f.Batch.Fraction(), Answers: f.CacheHits.Fraction(),
		Today: f.PTUsToday, Long: f.Long.Fraction(), Writes: f.CacheWrites.Fraction(),
		Quota: plan.Quota{PTUs: f.Quota.PTUs, VCPUs: f.Quota.VCPUs},
	}
	if f.Smaller != nil {
		d.Smaller = plan.Smaller{Model: f.Smaller.Model, Share: f.Smaller.Share.Fraction()}
	}
	if f.Quota.Tokens != nil {
		tpm := float64(*f.Quota.Tokens)
		d.Quota.TPM = &tpm
	}
	return d
}

// minutes are the minutes the file describes: a single one, or a week.
func (f *file) minutes() ([]plan.Minute, error) {
	n := float64(f.Requests)
	full := plan.Minute{Requests: n, Input: n * float64(f.InputTokens), Output: n * float64(f.OutputTokens)}
	full.Cached = full.Input * f.Cached.Fraction()
	switch {
	case f.Hours != nil:
		var days []time.Weekday
		for _, name := range f.Hours.Days {
			days = append(days, weekdays[name])
		}
		share, err := plan.Business(days, f.Hours.From, f.Hours.To, f.Hours.Outside.Fraction())
		if err != nil {
			return nil, err
		}
		return plan.Weekly(full, share), nil
	case f.Hourly != nil:
		var hours [24]float64
		for i, share := range f.Hourly {
			hours[i] = share.Fraction()
		}
		return plan.Weekly(full, plan.Daily(hours, f.Weekend.Fraction())), nil
	}
	return plan.Constant(full), nil
}
