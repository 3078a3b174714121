package check

import (
	"errors"
	"fmt"

	"weir/config"
	"weir/price"
	"weir/wire"
)

// unaffordable are the replicas whose VM size has no price in the catalogue,
// and the budgets that do not pay for the minimum; warnings are budgets that
// pay for some replicas.
func unaffordable(c *config.Config, prices *price.Catalogue) (faults, warnings config.Faults) {
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			s := wire.Scaling(d)
			if s.Price == nil || s.Price.VM == "" {
				continue
			}
			path := fmt.Sprintf("models[%d].deployments[%d].scaling", i, k)
			hour, err := wire.ReplicaPrice(d, prices)
			if err != nil {
				faults = append(faults, c.Fault(path+".price.vm", err.Error(), ""))
				continue
			}
			for _, f := range s.BudgetFaults(hour) {
				if fault := c.Fault(path+f.Path, f.Problem, f.Remedy); f.Never {
					faults = append(faults, fault)
				} else {
					warnings = append(warnings, fault)
				}
			}
			if w := otherGPU(d, prices); w != "" {
				warnings = append(warnings, c.Fault(path+".price.vm", w, "name the size the replicas run on"))
			}
		}
	}
	return faults, warnings
}

// invalid are the deployments whose scaling "weir serve" would refuse for a
// combination of keys.
func invalid(c *config.Config, prices *price.Catalogue) (faults config.Faults) {
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			if !wire.Elastic(d) {
				continue
			}
			p, err := wire.Policy(&c.Models[i], d, prices)
			if err == nil {
				err = p.Validate()
			}
			if err != nil {
				faults = append(faults, c.Fault(fmt.Sprintf("models[%d].deployments[%d].scaling", i, k), err.Error(), ""))
			}
		}
	}
	return faults
}

// otherGPU says that the VM size in the price has other GPUs than runs_on
// names; "" if they are the same.
func otherGPU(d *config.Deployment, prices *price.Catalogue) string {
	on := wire.RunsOn(d)
	if on == nil {
		return ""
	}
	vm, errVM := prices.VM(d.Scaling.Price.VM)
	has, errHas := prices.GPU(vm.GPU)
	gpu, errOn := prices.GPU(on.GPU)
	if errors.Join(errVM, errHas, errOn) != nil || has.Name == gpu.Name {
		return "" // an unknown name is a separate fault
	}
	return fmt.Sprintf("%s has %s, and process.runs_on.gpu is %s", vm.Name, has.Name, gpu.Name)
}
