package plan

import (
	"fmt"
	"slices"
	"strings"

	"weir"
	"weir/report/words"
)

// words is the recommendation for people, with notes.
func (m *market) words(a Answer) []string {
	if a.Advice.Lines == nil {
		nothing := []string{"No available alternative has a known price: see what is missing, and add it to your price file."}
		if text := m.unpriced(a.Compared); text != "" {
			nothing = append(nothing, text)
		}
		return nothing
	}
	all := []string{m.recommend(a)}
	add := func(text string) {
		if text != "" {
			all = append(all, text)
		}
	}
	add(m.unpriced(a.Compared))
	add(m.estimated(a.Compared))
	add(m.withoutMeasures(a))
	add(m.against(a))
	add(m.hourlyTruth(a))
	add(m.committed(a))
	add(m.promised(a))
	if a.Advice.Option != nil && a.Advice.Option.Kind == Own {
		if m.d.Model != "" {
			add(fmt.Sprintf("Own replicas run %s, not %s: compare the quality of the answers before the cost.", m.d.OpenModel, m.d.Model))
		}
		if a.Advice.Option.VMs == 1 {
			add("A single machine has no redundancy: when it fails, nothing answers. Plan for a second one, or keep pay-as-you-go as failover.")
		}
	}
	return all
}

func (m *market) recommend(a Answer) string {
	x := a.Advice
	text := a.Compared.lead() + x.name()
	if x.Option != nil && len(x.Measures) > 0 {
		text += fmt.Sprintf(" for %.4g %% of the demand, with %s", 100*x.Rest, listed(x.Measures))
	}
	return text + fmt.Sprintf(". That is %s a month, %s per million tokens, %s per request.",
		words.Dollars(x.Month), words.Dollars(x.Million), words.Exact(x.Request))
}

// listed joins names with commas and a final "and".
func listed(names []string) string {
	text := strings.Join(names, ", ")
	if i := strings.LastIndex(text, ", "); i >= 0 {
		text = text[:i] + " and " + text[i+2:]
	}
	return strings.ReplaceAll(text, "_", " ")
}

// withoutMeasures is the cheapest alternative without measures.
func (m *market) withoutMeasures(a Answer) string {
	if len(a.Advice.Measures) == 0 || a.Plain.Option == nil {
		return ""
	}
	return fmt.Sprintf("Without %s the cheapest is %s for the whole demand, at %s a month; with them the cost is %.3g %% lower.",
		listed(a.Advice.Measures), a.Plain.name(), words.Dollars(a.Plain.Month), 100*(1-float64(a.Advice.Month)/float64(a.Plain.Month)))
}

// against compares with pay-as-you-go alone.
func (m *market) against(a Answer) string {
	measures := ""
	if len(a.Advice.Measures) > 0 {
		if a.Plain.Option != nil && a.Plain.Option.Kind == PayAsYouGo {
			return "" // said before
		}
		measures = " without " + listed(a.Advice.Measures)
	}
	for _, o := range a.Options {
		if o.Kind != PayAsYouGo || !o.Available() {
			continue
		}
		if a.Advice.Option != nil && o.ID == a.Advice.Option.ID && len(a.Advice.Measures) == 0 {
			return ""
		}
		less := 100 * (1 - float64(a.Advice.Month)/float64(o.Month))
		return fmt.Sprintf("Everything on %s%s would cost %s a month; the recommendation costs %.3g %% less.", o.Name, measures, words.Dollars(o.Month), less)
	}
	return ""
}

// hourlyTruth says, with the arithmetic, whether hourly provisioned throughput
// can cost less than pay-as-you-go.
func (m *market) hourlyTruth(a Answer) string {
	for _, b := range a.BreakEven {
		if b.Term != Hourly {
			continue
		}
		hour := weir.Money(float64(b.PTUMonth) / (MinutesPerMonth / 60))
		sum := fmt.Sprintf("one PTU is %d hours x %s = %s a month; full in every minute it carries %s normalised tokens, which pay-as-you-go sells for %s",
			MinutesPerMonth/60, words.Exact(hour), words.Exact(b.PTUMonth), words.Spelled(b.Tokens), words.Dollars(b.Worth))
		if b.Utilisation > 1 {
			return fmt.Sprintf("Provisioned throughput by the hour does not beat pay-as-you-go at list price: %s. It would break even at %.0f %% utilisation. "+
				"Buy it for its latency target or for dedicated capacity, not to save money.", sum, 100*b.Utilisation)
		}
		return fmt.Sprintf("Provisioned throughput by the hour beats pay-as-you-go above %.0f %% utilisation: %s.", 100*b.Utilisation, sum)
	}
	return ""
}

// committed describes the buyer's commitment in a reservation.
func (m *market) committed(a Answer) string {
	o := a.Advice.Option
	if o == nil || o.PTUs == 0 || o.Term == Hourly {
		return ""
	}
	for _, b := range a.BreakEven {
		if b.SKU == o.SKU && b.Term == o.Term {
			return fmt.Sprintf("A reservation is paid for the whole %s whether it is used or not, and guarantees no capacity: below %.0f %% utilisation PTUs cost more than the tokens would.",
				b.Term, 100*b.Utilisation)
		}
	}
	return ""
}

// promised names the cheapest alternative with a latency target, if the demand
// has an SLO and the cheapest of all has no target.
func (m *market) promised(a Answer) string {
	if m.d.SLO == (weir.SLO{}) || a.Advice.Option == nil || a.Advice.Option.Kind != PayAsYouGo {
		return ""
	}
	for _, o := range a.Options {
		if o.Available() && (o.Kind == Provisioned || o.Kind == Own) {
			text := fmt.Sprintf("Pay-as-you-go has no latency target. The cheapest with one is %s, %s a month", o.Title(), words.Dollars(o.Month))
			if len(a.Advice.Measures) > 0 {
				text += " without the measures"
			}
			return text + "."
		}
	}
	return "Pay-as-you-go has no latency target, and no alternative with one is available at a known price."
}

// Service says whether a kind of service suits the demand, and why.
type Service struct {
	Name string `json:"name"`
	Use  string `json:"use"` // "yes", "part" (for a share of it, or behind the other) or "no"
	Why  string `json:"why"`
}

// services judges each kind of service for the demand.
func (m *market) services(a Answer) []Service {
	cheapest := map[Kind]Option{}
	managed, cluster := Option{}, Option{}
	for _, o := range a.Options { // cheapest first
		if !o.Available() {
			continue
		}
		if _, have := cheapest[o.Kind]; !have {
			cheapest[o.Kind] = o
		}
		if o.Place == "managed_online" && managed.ID == "" {
			managed = o
		}
		if o.Place == "aks" && cluster.ID == "" {
			cluster = o
		}
	}
	chosen := Option{}
	if a.Advice.Option != nil {
		chosen = *a.Advice.Option
	}
	ptu := cheapest[Provisioned]
	if s, ok := cheapest[Spillover]; ok && (ptu.ID == "" || s.Month < ptu.Month) {
		ptu = s
	}
	all := []Service{
		m.verdict("managed API, pay as you go", cheapest[PayAsYouGo], chosen, a.Advice.Measures, "nothing to run and nothing to pay when idle"),
		m.verdict("managed API, provisioned", ptu, chosen, a.Advice.Measures, "a latency target; billed by time, used or not"),
		m.verdict("managed endpoint (Azure ML)", managed, chosen, a.Advice.Measures, "Azure runs the machines; at least one always runs, and T4, A10 and CPU sizes take 1.2 times their vCPUs from the quota"),
		m.verdict("own cluster (Kubernetes)", cluster, chosen, a.Advice.Measures, "can scale to zero machines when there are no requests; you run the cluster"),
	}
	if chosen.Kind == Spillover {
		all[0].Use = "part"
		all[0].Why = "serves what exceeds the PTUs"
	}
	return append(all, m.containerInstance(), m.batchService(a))
}

func (m *market) verdict(name string, o, chosen Option, taken []string, nature string) Service {
	s := Service{Name: name, Use: "no"}
	with, without := "", ""
	if len(taken) > 0 {
		with, without = " for the demand the measures leave", " without the measures"
	}
	switch {
	case o.ID == "":
		s.Why = "not available for this demand at a known price"
		if m.d.Model == "" && strings.Contains(name, "API") {
			s.Why = "no Azure OpenAI model was named"
		}
		if m.d.OpenModel == "" && (strings.Contains(name, "endpoint") || strings.Contains(name, "cluster")) {
			s.Why = "no open model was named for it"
		}
	case o.ID == chosen.ID:
		s.Use = "yes"
		s.Why = "cheapest here" + with + ": " + nature
	default:
		s.Why = fmt.Sprintf("%s a month at best, for the whole demand%s (%s): %s", words.Dollars(o.Month), without, o.Title(), nature)
	}
	return s
}

func (m *market) containerInstance() Service {
	s, err := m.c.Service("aci")
	if err != nil || s.GPU {
		return Service{Name: "container instance", Use: "no", Why: "the catalogue does not list it for a model of this size"}
	}
	return Service{Name: "container instance", Use: "no", Why: "has no GPU; it suits a gateway, workers and small models on CPUs"}
}

func (m *market) batchService(a Answer) Service {
	s := Service{Name: "batch", Use: "no", Why: "no share of the demand is stated as able to wait a day"}
	for _, measure := range a.Measures {
		if measure.Name != MeasureBatch {
			continue
		}
		switch {
		case len(measure.Missing) > 0:
			s.Why = "no price; unknown: " + strings.Join(measure.Missing, "; ")
		case slices.Contains(a.Advice.Measures, MeasureBatch):
			s.Use = "part"
			s.Why = fmt.Sprintf("%.4g %% of the demand can wait: saves %s a month on its own", 100*measure.Share, words.Dollars(measure.Saves))
		case measure.Saves > 0:
			s.Why = fmt.Sprintf("saves %s a month on its own, but nothing on top of the other measures", words.Dollars(measure.Saves))
		default:
			s.Why = fmt.Sprintf("would cost %s a month more: the capacity that serves the rest is paid for anyway", words.Dollars(-measure.Saves))
		}
	}
	return s
}

// assumed are the assumptions of the arithmetic.
func (m *market) assumed() []string {
	all := []string{"the counted minutes repeat all month, and the load is even within each minute"}
	if m.d.OpenModel != "" {
		all = append(all,
			"a replica's capacity is the highest rate at which 99 of 100 simulated requests meet the SLO; they arrive at random times with random lengths (exponential, with the demand's means)",
			"the cost of own replicas is that of their machines only: no network, disks, cluster nodes without GPU, or people")
		if _, assumed := m.d.slo(); assumed != "" {
			all = append(all, assumed)
		}
	}
	return append(all, m.book.caveats...)
}
