package wire

import (
	"cmp"
	"fmt"
	"math"

	"weir/config"
	"weir/dispatch"
	"weir/price"
)

// Quota is the provider's quota for a deployment, from the file and the
// catalogue. Its error names the model without figures in the catalogue.
func Quota(m *config.Model, a *config.AzureOpenAI) (dispatch.Quota, error) {
	q := dispatch.Quota{
		TokensPerMinute: a.TokensPerMinute, RequestsPerMinute: a.RequestsPerMinute,
		Headroom: int(math.Round(100 * a.Headroom.Fraction())), Burst: a.Burst,
	}
	if a.PTU == 0 {
		return q, nil
	}
	catalogue, err := price.Default()
	if err != nil {
		return q, err
	}
	name := cmp.Or(a.PTUModel, m.Name)
	ptu, err := catalogue.PTU(name)
	if err != nil {
		return q, fmt.Errorf("%w; say which model the deployment runs with ptu_model", err)
	}
	tpm, err := ptu.InputTPM.Get()
	if err != nil {
		return q, fmt.Errorf("PTU sizing of model %s: %w", name, err)
	}
	weight, err := ptu.OutputWeight.Get()
	if err != nil {
		return q, fmt.Errorf("PTU sizing of model %s: %w", name, err)
	}
	q.Drain = int(math.Round(tpm * float64(a.PTU)))
	q.Output = int(math.Round(1000 * weight))
	if ptu.CachedWeight.Known() {
		q.Cached = int(math.Round(1000 * ptu.CachedWeight.Value()))
	} else {
		q.Cached = 1000 // no rule known: cached tokens count in full
	}
	return q, nil
}

// CheckQuotas names every deployment whose PTUs or spillover cannot be
// computed, or whose object cannot be found though its size is to change.
func CheckQuotas(c *config.Config) error {
	var faults config.Faults
	for i := range c.Models {
		m := &c.Models[i]
		for k, d := range m.Deployments {
			if d.AzureOpenAI == nil {
				continue
			}
			at := fmt.Sprintf("models[%d].deployments[%d].azureopenai", i, k)
			if _, err := Quota(m, d.AzureOpenAI); err != nil {
				faults = append(faults, c.Fault(at+".ptu", err.Error(), "weir price list ptus names the models it has"))
			}
			if _, located := OpenAIRef(c, &d); !located && d.AzureOpenAI.Resize != "" {
				faults = append(faults, c.Fault(at+".resize", "needs the resource, which the endpoint does not name", "add resource: NAME"))
			}
			if _, err := Spillover(m, d.AzureOpenAI); err != nil {
				faults = append(faults, c.Fault(at+".spillover", err.Error(), "give its price as spillover.price"))
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}
