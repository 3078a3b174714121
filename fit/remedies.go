package fit

// Remedy is one change that makes the model fit.
type Remedy struct {
	Change string `json:"change"`
	Answer Answer `json:"-"`
}

// remedies lists the nearest changes that fit, cheapest first.
func remedies(m *Model, s Setup) []Remedy {
	var out []Remedy
	for _, tp := range []int{2 * s.TP, 4 * s.TP, 8 * s.TP} {
		t := s
		t.TP = tp
		if layoutRules(m, t) != nil || t.Engine.accepts(m, &t) != nil {
			continue
		}
		if a := check(m, t); a.Verdict != DoesNotFit {
			return append(out, Remedy{Change: "more GPUs", Answer: a})
		}
	}
	return out
}
