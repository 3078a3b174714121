package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"weir/canary"
	"weir/gateway"
	"weir/observe"
)

// canaryFile keeps the trials of canaries over restarts: written whole and put in
// its place at once, when one has stepped and every canaryEvery besides.
type canaryFile struct {
	path    string
	stepped chan struct{} // room for one: that it has to be written
	last    []byte
}

const canaryEvery = 5 * time.Second

func newCanaryFile(stateDir string) *canaryFile {
	return &canaryFile{path: filepath.Join(stateDir, "canaries.json"), stepped: make(chan struct{}, 1)}
}

// read returns the states by deployment; none where there is no file yet.
func (f *canaryFile) read() (map[string]canary.State, error) {
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state of canaries: %w", err)
	}
	var states map[string]canary.State
	if err := json.Unmarshal(data, &states); err != nil {
		return nil, fmt.Errorf("state of canaries in %s: %w; remove the file to begin them anew", f.path, err)
	}
	return states, nil
}

// write stores what has changed since the last time.
func (f *canaryFile) write(now []gateway.CanaryStatus) error {
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
	if err := replaceFile(f.path, data); err != nil {
		return fmt.Errorf("state of canaries: %w", err)
	}
	f.last = data
	return nil
}

// canaryStepped is told of each step of a canary.
func (n *node) canaryStepped(s gateway.CanaryStep) {
	n.metrics.CanaryStepped(s.Deployment, string(s.Change.Phase))
	select {
	case n.canaries.stepped <- struct{}{}:
	default: // it is to be written already
	}
}

// restartCanary begins a trial anew.
func (n *node) restartCanary(deployment string) error {
	if err := n.gateway.RestartCanary(deployment); err != nil {
		return err
	}
	n.log.Info("canary restarted by an operator", "canary", deployment)
	select {
	case n.canaries.stepped <- struct{}{}:
	default:
	}
	return nil
}

// keepCanaries stores the trials until ctx ends, and once more then.
func (n *node) keepCanaries(ctx context.Context) error {
	tick := time.NewTicker(canaryEvery)
	defer tick.Stop()
	for {
		if err := n.canaries.write(n.gateway.Canaries()); err != nil {
			n.log.Error("canaries would begin again after a restart", "error", err)
		}
		select {
		case <-ctx.Done():
			return n.canaries.write(n.gateway.Canaries())
		case <-tick.C:
		case <-n.canaries.stepped:
		}
	}
}

// canaryLevels is asked at each scrape.
func (n *node) canaryLevels() (ls []observe.CanaryLevel) {
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
	Step       int            `json:"step"` // from 1 on
	Began      time.Time      `json:"began"`
	Since      time.Time      `json:"since"`
	Requests   map[string]int `json:"requests"`
	Measures   []measureView  `json:"measures"`
}

// measureView is one measure of the present step.
type measureView struct {
	Name   string  `json:"name"`
	Stable float64 `json:"stable"` // share that failed, or took longer than nine of ten of the stable version
	Canary float64 `json:"canary"`
	Worse  float64 `json:"evidence_of_needed"` // 1: it is stepped back
}

func (n *node) canaryViews() []canaryView {
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
