package whatif

import (
	"fmt"
	"math"
	"time"

	"weir"
	"weir/config"
	"weir/fleet/mem"
	"weir/internal/whole"
	"weir/sim"
	"weir/wire"
)

// Scenario is what goes wrong in a simulation: a file of its own, in the form
// of weir.yaml.
type Scenario struct {
	// Interval at which the figures that scaling sees are taken.
	MetricsEvery time.Duration `yaml:"metrics_every" default:"0s" min:"0s" max:"1h"`
	// Delay until a replica's change of state is known.
	StatusLag time.Duration `yaml:"status_lag" default:"0s" min:"0s" max:"10m"`
	// Two thirds of all cold starts are within this much of the median, above
	// or below.
	ColdStartSpread config.Percent `yaml:"cold_start_spread" default:"0%" min:"0%" max:"200%"`
	// Starts that fail, at two thirds of the cold start.
	FailedStarts config.Percent `yaml:"failed_starts" default:"0%" min:"0%" max:"100%"`
	// Starts that take slow_factor times as long.
	SlowStarts config.Percent `yaml:"slow_starts" default:"0%" min:"0%" max:"100%"`
	SlowFactor int            `yaml:"slow_factor" default:"4" min:"1" max:"1000"`
	// Mean time between two losses of a node, over all nodes, and the replicas
	// each takes with it. 0s: none is lost.
	NodeLoss        time.Duration `yaml:"node_loss" default:"0s" min:"0s" max:"10000h"`
	ReplicasPerNode int           `yaml:"replicas_per_node" default:"1" min:"1" max:"1000"`
	// When the place has no new replica to give.
	StockOut []span `yaml:"stock_out"`
	// Behaviour of external services: azureopenai and external.
	Services []service `yaml:"services"`
}

// span is a part of the run, from the beginning of the trace.
type span struct {
	From time.Duration `yaml:"from" need:"true" min:"0s" max:"10000h" example:"10m"`
	To   time.Duration `yaml:"to" need:"true" min:"0s" max:"10000h" example:"20m"`
}

// service is the speed of an external deployment, and when it throttles.
type service struct {
	// Name of the deployment in weir.yaml. Without it: all deployments not
	// named.
	Deployment string `yaml:"deployment" format:"name"`
	// Time to the first token of a short prompt.
	FirstToken time.Duration `yaml:"first_token" default:"400ms" min:"1ms" max:"10m"`
	// Prompt tokens read per second.
	Reads config.Rate `yaml:"reads" default:"10k/s" min:"1/s" max:"100M/s"`
	// Answer tokens written per second.
	Writes config.Rate `yaml:"writes" default:"50/s" min:"1/s" max:"1M/s"`
	// Two thirds of all requests are within this much of those speeds.
	Spread config.Percent `yaml:"spread" default:"20%" min:"0%" max:"200%"`
	// When a share of requests is answered 429, at any load.
	Throttled []throttle `yaml:"throttled"`
	// Price of a PTU per hour. Without it: the catalogue's, global and not
	// reserved.
	PTUPrice config.Dollars `yaml:"ptu_price" example:"$1"`
}

type throttle struct {
	From       time.Duration  `yaml:"from" need:"true" min:"0s" max:"10000h" example:"10m"`
	To         time.Duration  `yaml:"to" need:"true" min:"0s" max:"10000h" example:"20m"`
	Share      config.Percent `yaml:"share" default:"100%" min:"1%" max:"100%"`
	RetryAfter time.Duration  `yaml:"retry_after" default:"1s" min:"1ms" max:"1h"`
}

// ReadScenario reads the file; for a path of "" it returns the scenario in
// which nothing goes wrong. The error may be a config.Faults.
func ReadScenario(path string) (Scenario, error) {
	var s Scenario
	src := []byte("{}")
	if path != "" {
		var err error
		if src, err = whole.Read(path, config.MaxBytes); err != nil {
			return s, err
		}
	}
	if err := config.Decode(path, src, &s); err != nil {
		return s, err
	}
	if faults := s.faults(path); len(faults) > 0 {
		return s, faults
	}
	return s, nil
}

// faults are the faults of combinations of keys.
func (s *Scenario) faults(name string) (faults config.Faults) {
	fault := func(path, problem, remedy string) {
		faults = append(faults, config.Fault{File: name, Line: 1, Column: 1, Path: path, Problem: problem, Remedy: remedy})
	}
	for i, w := range s.StockOut {
		if w.From >= w.To {
			fault(fmt.Sprintf("stock_out[%d].to", i), fmt.Sprintf("from %v to %v is not a period", w.From, w.To), "to must be after from")
		}
	}
	seen := map[string]bool{}
	for i := range s.Services {
		v := &s.Services[i]
		if seen[v.Deployment] {
			fault(fmt.Sprintf("services[%d].deployment", i), fmt.Sprintf("%q is described twice", v.Deployment), "describe each once")
		}
		seen[v.Deployment] = true
		for k, w := range v.Throttled {
			if w.From >= w.To {
				fault(fmt.Sprintf("services[%d].throttled[%d].to", i, k), fmt.Sprintf("from %v to %v is not a period", w.From, w.To), "to must be after from")
			}
			if first := v.Throttled[0]; w.Share != first.Share || w.RetryAfter != first.RetryAfter {
				fault(fmt.Sprintf("services[%d].throttled[%d]", i, k), "has a different share or retry_after than the first", "give all periods of a service the same")
			}
		}
	}
	return faults
}

// Unknown faults the deployments it describes that the model lacks.
func (s *Scenario) Unknown(m *config.Model) error {
	for i := range s.Services {
		name, found := s.Services[i].Deployment, s.Services[i].Deployment == ""
		for k := range m.Deployments {
			found = found || m.Deployments[k].Name == name && !wire.Elastic(&m.Deployments[k])
		}
		if !found {
			return fmt.Errorf("services[%d].deployment: model %s has no azureopenai or external deployment %q", i, m.Name, name)
		}
	}
	return nil
}

// place is how a place's replicas start and fail.
func (s *Scenario) place(d mem.Deployment) mem.Deployment {
	d.Sigma = math.Log1p(s.ColdStartSpread.Fraction())
	d.StartFailure, d.SlowStart, d.SlowFactor = s.FailedStarts.Fraction(), s.SlowStarts.Fraction(), float64(s.SlowFactor)
	d.PerNode = s.ReplicasPerNode
	return d
}

func (s *Scenario) befall() sim.Faults {
	f := sim.Faults{NodeLoss: s.NodeLoss}
	for _, w := range s.StockOut {
		f.StockOut = append(f.StockOut, sim.Window(w))
	}
	return f
}

// of is the behaviour of the service behind a deployment.
func (s *Scenario) of(deployment string) sim.Remote {
	var v service
	if err := config.Decode("", []byte("{}"), &v); err != nil {
		panic(err) // an empty file has no faults
	}
	for i := range s.Services {
		if n := s.Services[i].Deployment; n == "" || n == deployment {
			v = s.Services[i]
		}
		if s.Services[i].Deployment == deployment {
			break
		}
	}
	r := sim.Remote{
		TTFT: v.FirstToken, Sigma: math.Log1p(v.Spread.Fraction()),
		PerPrompt: time.Duration(float64(time.Second) / v.Reads.PerSecond()), TPOT: time.Duration(float64(time.Second) / v.Writes.PerSecond()),
		UnitPrice: weir.Money(v.PTUPrice),
	}
	for _, w := range v.Throttled {
		r.Throttled = append(r.Throttled, sim.Window{From: w.From, To: w.To})
		r.Throttle, r.RetryAfter = w.Share.Fraction(), w.RetryAfter
	}
	return r
}
