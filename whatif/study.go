// Package whatif asks what a configuration would do: a setting (a model of a
// configuration, the catalogue, a scenario of what goes wrong) and a traffic become
// a sim.Config, policies and other settings contend on it, and conditions judge
// what came out. It reads traces, ledgers, journals and scenarios from files, and
// it reads config's own values: what it tries are changes of keys of weir.yaml,
// which config alone can apply. It draws nothing, and knows no command.
package whatif

import "weir/sim"

// Study is what some contenders have done with one traffic.
type Study struct {
	Setting *Setting
	Traffic *Traffic
	Load    string // times the recorded rate, as it was asked for: "2x"
	Runs    []Contender
	Advice  *Advice  // nil: every run attains, or it was not looked for
	Unmet   []string // requirements that are not met
}

// JSON is a study as it is printed: every run with its whole result.
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
