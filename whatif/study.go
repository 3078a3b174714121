// Package whatif answers what a configuration would do. A setting (a model of a
// configuration, the catalogue, a scenario of what goes wrong) and a traffic
// become a sim.Config; policies and other settings contend on it, and
// conditions judge the results. It reads traces, ledgers, journals and
// scenarios from files, and config's own values: its contenders are changes of
// keys of weir.yaml, which only config can apply. It draws nothing, and knows
// no command.
package whatif

import "weir/sim"

// Study is the results of some contenders with one traffic.
type Study struct {
	Setting *Setting
	Traffic *Traffic
	Load    string // times the recorded rate, as on the command line: "2x"
	Runs    []Contender
	Advice  *Advice  // nil: every run meets its goal, or there was no search
	Unmet   []string // unmet requirements
}

// JSON is the printed form of a study: every run with its whole result.
func (s *Study) JSON() any {
	type row struct {
		Policy   string            `json:"policy"`
		Knob     float64           `json:"knob,omitempty"`
		Settings map[string]string `json:"settings,omitempty"`
		Result   *sim.Result       `json:"result"`
	}
	out := struct {
		Model  string   `json:"model"`
		Trace  string   `json:"trace"`
		Load   string   `json:"load"`
		Notes  []string `json:"notes,omitempty"`
		Runs   []row    `json:"runs"`
		Advice *Advice  `json:"advice,omitempty"` // of the first run that misses its goal
		Unmet  []string `json:"unmet_requirements,omitempty"`
	}{Model: s.Setting.Model.Name, Trace: s.Traffic.Name(), Load: s.Load, Notes: s.Setting.Notes(), Advice: s.Advice, Unmet: s.Unmet}
	for _, c := range s.Runs {
		r := row{Policy: c.Policy, Knob: c.Knob, Result: c.Result}
		for _, v := range c.Settings {
			if r.Settings == nil {
				r.Settings = map[string]string{}
			}
			r.Settings[v.Key] = v.Value
		}
		out.Runs = append(out.Runs, r)
	}
	return out
}
