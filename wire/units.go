package wire

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"weir"
	"weir/config"
	"weir/dispatch"
	"weir/fleet/azureopenai"
	"weir/price"
)

// deployments are those whose object the file locates.
func (s *subscription) deployments(c *config.Config) (ds []azureopenai.Deployment) {
	prices, err := s.prices()
	if err != nil {
		prices = &price.Catalogue{}
	}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			ref, ok := OpenAIRef(c, d)
			if !ok {
				continue
			}
			a, model := d.AzureOpenAI, cmp.Or(d.AzureOpenAI.PTUModel, c.Models[i].Name)
			x := azureopenai.Deployment{
				Name: d.Name, Ref: ref, Resize: azureopenai.Resize(a.Resize), Provisioned: a.PTU > 0, Units: int64(UnitsOf(a)), Zone: a.Location(), Budget: weir.Money(a.BudgetPerHour),
				Steps: func(sku string) (int64, int64) { return stepsOf(prices, model, sku) },
				Price: func(sku, region string) weir.Money { return unitPrice(prices, sku, region) },
			}
			for j := range a.Schedules {
				t := &a.Schedules[j]
				x.Schedules = append(x.Schedules, azureopenai.Schedule{Days: t.Weekdays(), From: time.Duration(t.From), To: time.Duration(t.To), Units: int64(t.Units)})
			}
			ds = append(ds, x)
		}
	}
	return ds
}

// stepsOf are the least number of units and the step of a kind of deployment.
func stepsOf(prices *price.Catalogue, model, sku string) (least, step int64) {
	p, err := prices.PTU(model)
	low := strings.ToLower(sku)
	if err != nil || !strings.Contains(low, "provisioned") {
		return 0, 0
	}
	s := p.Regional
	switch {
	case strings.HasPrefix(low, "global"):
		s = p.Global
	case strings.HasPrefix(low, "datazone"):
		s = p.DataZone
	}
	return int64(s.Minimum), int64(s.Increment)
}

func unitPrice(prices *price.Catalogue, sku, region string) weir.Money {
	p, err := prices.PTUPrice(sku, region)
	if err != nil {
		return 0
	}
	hour, err := p.Hour.Get()
	if err != nil {
		return 0
	}
	return hour
}

// sizedQuota is the quota of a deployment with the size and limits Azure has.
func sizedQuota(m *config.Model, a *config.AzureOpenAI, o azureopenai.Object) (dispatch.Quota, error) {
	b := *a
	if o.Provisioned() {
		b.PTU, b.TokensPerMinute, b.RequestsPerMinute = int(o.Capacity), 0, 0
		q, err := Quota(m, &b)
		if err != nil && b.PTUModel == "" { // the file's name is its own
			b.PTUModel = o.Model
			return Quota(m, &b)
		}
		return q, err
	}
	b.PTU, b.TokensPerMinute = 0, cmp.Or(o.TokensPerMinute, int(o.Capacity)*1000)
	b.RequestsPerMinute = cmp.Or(o.RequestsPerMinute, a.RequestsPerMinute)
	return Quota(m, &b)
}

// DoubleSpill says that both Azure and Weir spill over from a deployment; "": only one
// of them does.
func DoubleSpill(m *config.Model, d *config.Deployment, to string) string {
	if to == "" {
		return ""
	}
	for k := range m.Deployments {
		o := &m.Deployments[k]
		if o.AzureOpenAI != nil && o.AzureOpenAI.Endpoint == d.AzureOpenAI.Endpoint && o.AzureOpenAI.Deployment == to {
			return fmt.Sprintf("Azure itself spills over to %s, which is also %s of this file: Weir does not count what Azure sends there, so that its limits are met later than they are reached; remove one of the two", to, o.Name)
		}
	}
	for k := range m.Deployments {
		if o := &m.Deployments[k]; o.Tier > d.Tier && o.Mirror == nil {
			return fmt.Sprintf("both spill over: Azure itself to %s, and Weir to %s. Azure is first, and bills by the token; remove spilloverDeploymentName from the deployment, or the lower tier here", to, o.Name)
		}
	}
	return ""
}
