package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"time"

	"weir/canary"
	"weir/gateway"
	"weir/internal/whole"
	"weir/observe"
)

// canaries keeps the state of canary trials across restarts. The file is
// written whole and renamed into place, after each step and every canaryEvery.
type canaries struct {
	path    string
	stepped chan struct{} // capacity one: a write is due
	last    []byte
	log     *slog.Logger
}

const canaryEvery = 5 * time.Second

func newCanaries(path string, log *slog.Logger) *canaries {
	return &canaries{path: path, log: log, stepped: make(chan struct{}, 1)}
}

// read returns the states by deployment; none where there is no file yet.
func (f *canaries) read() (map[string]canary.State, error) {
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state of canaries: %w", err)
	}
	var states map[string]canary.State
	if err := json.Unmarshal(data, &states); err != nil {
		return nil, fmt.Errorf("state of canaries in %s: %w; remove the file to restart them", f.path, err)
	}
	return states, nil
}

// write stores the trials if they changed since the last write.
func (f *canaries) write(now []gateway.CanaryStatus) error {
	if len(now) == 0 && f.last == nil {
		return nil
	}
	states := map[string]canary.State{}
	for _, c := range now {
		states[c.Deployment] = c.State
	}
	data, err := json.Marshal(states)
	if err != nil || string(data) == string(f.last) {
		return err
	}
	if err := whole.Write(f.path, data); err != nil {
		return fmt.Errorf("state of canaries: %w", err)
	}
	f.last = data
	return nil
}

// changed requests a write.
func (f *canaries) changed() {
	select {
	case f.stepped <- struct{}{}:
	default: // a write is due already
	}
}

// keep stores the trials until ctx ends, and once more at the end.
func (f *canaries) keep(ctx context.Context, now func() []gateway.CanaryStatus) error {
	tick := time.NewTicker(canaryEvery)
	defer tick.Stop()
	for {
		if err := f.write(now()); err != nil {
			f.log.Error("canaries would start over after a restart", "error", err)
		}
		select {
		case <-ctx.Done():
			return f.write(now())
		case <-tick.C:
		case <-f.stepped:
		}
	}
}

// restartCanary begins a trial again.
func (n *Node) restartCanary(deployment string) error {
	if err := n.gateway.RestartCanary(deployment); err != nil {
		return err
	}
	n.log.Info("canary restarted by an operator", "canary", deployment)
	n.canaries.changed()
	return nil
}

// canaryLevels runs at each scrape.
func (n *Node) canaryLevels() (ls []observe.CanaryLevel) {
	for _, c := range n.gateway.Canaries() {
		l := observe.CanaryLevel{Deployment: c.Deployment, Share: float64(c.Share) / canary.Whole, Evidence: map[string]float64{}}
		for _, m := range c.Figures.Measures {
			l.Evidence[m.Name] = m.Evidence / c.Figures.Threshold
		}
		ls = append(ls, l)
	}
	return ls
}

// canaryView is one trial as operators see it.
type canaryView struct {
	Model      string         `json:"model"`
	Deployment string         `json:"deployment"`
	Stable     string         `json:"stable"`
	Phase      canary.Phase   `json:"phase"`
	Because    string         `json:"because,omitempty"`
	Share      float64        `json:"share_percent"`
	Step       int            `json:"step"` // counted from 1
	Began      time.Time      `json:"began"`
	Since      time.Time      `json:"since"`
	Requests   map[string]int `json:"requests"`
	Measures   []measureView  `json:"measures"`
}

// measureView is one measure of the current step.
type measureView struct {
	Name   string  `json:"name"`
	Stable float64 `json:"stable"` // share of requests that failed, or were slower than the stable version's 90th percentile
	Canary float64 `json:"canary"`
	Worse  float64 `json:"evidence_of_needed"` // at 1 the canary steps back
}

func (n *Node) canaryViews() []canaryView {
	views := []canaryView{}
	for _, c := range n.gateway.Canaries() {
		v := canaryView{
			Model: c.Model, Deployment: c.Deployment, Stable: c.Stable, Phase: c.State.Phase, Because: c.State.Why,
			Share: float64(c.Share) / canary.Whole * 100, Step: c.State.Step + 1,
			Began: c.State.Began.Time(), Since: c.State.Since.Time(),
			Requests: map[string]int{"stable": c.Figures.Requests[canary.Stable], "canary": c.Figures.Requests[canary.Canary]},
		}
		for _, m := range c.Figures.Measures {
			v.Measures = append(v.Measures, measureView{m.Name, m.Stable, m.Canary, m.Evidence / c.Figures.Threshold})
		}
		views = append(views, v)
	}
	return views
}

// serveCanaryRestart answers POST /admin/canaries/restart?deployment=.
func (a *adminAPI) serveCanaryRestart(w http.ResponseWriter, r *http.Request) {
	if err := a.restartCanary(r.URL.Query().Get("deployment")); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	fmt.Fprintln(w, "restarted")
}
