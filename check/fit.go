package check

import (
	"fmt"

	"weir/config"
	"weir/fit"
	"weir/price"
	"weir/wire"
)

// misfits are the deployments whose model does not fit the hardware of their
// replicas, by the arithmetic of `weir fit`; warnings are those that fit
// tightly.
func misfits(c *config.Config, prices *price.Catalogue) (faults, warnings config.Faults) {
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			if wire.RunsOn(d) == nil {
				continue
			}
			path := fmt.Sprintf("models[%d].deployments[%d].process.runs_on", i, k)
			a, err := fitOf(d, prices)
			switch {
			case err != nil:
				faults = append(faults, c.Fault(path, err.Error(), ""))
			case !a.Verdict.Serves():
				faults = append(faults, c.Fault(path, a.Model+" does not fit: "+a.Why, remedyOf(a)))
			case a.Verdict == fit.Tight:
				warnings = append(warnings, c.Fault(path, a.Model+" fits tightly: "+a.Why, ""))
			}
		}
	}
	return faults, warnings
}

// fitOf runs fit for one deployment.
func fitOf(d *config.Deployment, prices *price.Catalogue) (fit.Answer, error) {
	m, s, err := wire.FitSetup(d, prices)
	if err != nil {
		return fit.Answer{}, err
	}
	return fit.Check(m, s, fit.Sold(prices)...)
}

func remedyOf(a fit.Answer) string {
	if len(a.Remedies) == 0 {
		return "no small change helps; see weir fit"
	}
	return fmt.Sprintf("this would fit: %s (%s)", a.Remedies[0].Change, a.Remedies[0].Why)
}
