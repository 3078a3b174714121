package whatif

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/report/words"
	"weir/sim"
)

// Requirement is one condition of --require, such as attained>=99%.
type Requirement struct {
	text  string
	name  string
	op    string
	limit float64
	of    measure
}

// measure is a figure of a run that a condition can use.
type measure struct {
	read  func(r *sim.Result) float64
	parse func(text string) (float64, error)
	write func(v float64) string
}

// RequireHelp names the figures of conditions; measures has one for each.
const RequireHelp = "attained, worst_5m, worst_hour, reachable (attained, of what an idle replica can serve in time), busy (shares), cost (dollars), gpu_hours, refused, failed (requests), ttft_p50, ttft_p90, ttft_p99, tpot_p50, tpot_p90, tpot_p99 (times)"

func measures() map[string]measure {
	share := func(read func(*sim.Result) float64) measure {
		return measure{read, parseShare, func(v float64) string { return fmt.Sprintf("%.4g%%", 100*v) }}
	}
	number := func(read func(*sim.Result) float64) measure {
		return measure{read, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }, func(v float64) string { return fmt.Sprintf("%.6g", v) }}
	}
	all := map[string]measure{
		"attained":   share(func(r *sim.Result) float64 { return r.Attainment }),
		"reachable":  share(func(r *sim.Result) float64 { return r.Reachable }),
		"worst_5m":   share(func(r *sim.Result) float64 { return r.WorstWindow }),
		"worst_hour": share(func(r *sim.Result) float64 { return r.WorstHour }),
		"busy":       share(busy),
		"gpu_hours":  number(func(r *sim.Result) float64 { return r.GPU.Allocated.Hours() }),
		"refused":    number(func(r *sim.Result) float64 { return float64(r.Refused) }),
		"failed":     number(func(r *sim.Result) float64 { return float64(r.Failed) }),
		"cost": {func(r *sim.Result) float64 { return float64(r.Cost) / 1e6 },
			func(s string) (float64, error) { return strconv.ParseFloat(strings.TrimPrefix(s, "$"), 64) },
			func(v float64) string { return fmt.Sprintf("$%.2f", v) }},
	}
	for name, of := range map[string]func(*sim.Result) sim.Quantiles{
		"ttft": func(r *sim.Result) sim.Quantiles { return r.TTFT }, "tpot": func(r *sim.Result) sim.Quantiles { return r.TPOT },
	} {
		for point, q := range map[string]func(sim.Quantiles) time.Duration{
			"p50": func(q sim.Quantiles) time.Duration { return q.P50 }, "p90": func(q sim.Quantiles) time.Duration { return q.P90 },
			"p99": func(q sim.Quantiles) time.Duration { return q.P99 },
		} {
			all[name+"_"+point] = measure{func(r *sim.Result) float64 { return float64(q(of(r))) }, parseTime,
				func(v float64) string { return words.Duration(time.Duration(v)) }}
		}
	}
	return all
}

// busy is the part of the paid GPU time in which GPUs worked.
func busy(r *sim.Result) float64 {
	if r.GPU.Allocated <= 0 {
		return 0
	}
	return float64(r.GPU.Busy) / float64(r.GPU.Allocated)
}

// parseShare reads 99% or 0.99.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err == nil && !(v >= 0 && v <= 1) {
		err = fmt.Errorf("%s is not a share from 0%% to 100%%", text)
	}
	return v, err
}

func parseTime(text string) (float64, error) {
	d, err := time.ParseDuration(text)
	return float64(d), err
}

// Requirements reads conditions, separated by commas; "" means none.
func Requirements(text string) ([]Requirement, error) {
	var all []Requirement
	if text == "" {
		return nil, nil
	}
	known := measures()
	for _, one := range strings.Split(text, ",") {
		i := strings.IndexAny(one, "<>")
		if i < 0 {
			return nil, fmt.Errorf("--require %q: want a figure, a comparison and a value, as in attained>=99%%,cost<=50", one)
		}
		op := one[i : i+1]
		if strings.HasPrefix(one[i+1:], "=") {
			op += "="
		}
		q := Requirement{text: strings.TrimSpace(one), name: strings.TrimSpace(one[:i]), op: op}
		value := strings.TrimSpace(one[i+len(op):])
		var ok bool
		if q.of, ok = known[q.name]; !ok {
			return nil, fmt.Errorf("--require %q: there is no figure %q; there are %s", one, q.name, RequireHelp)
		}
		var err error
		if q.limit, err = q.of.parse(value); err != nil {
			return nil, fmt.Errorf("--require %q: %q is not a value of %s: write shares as 99%%, times as 500ms, cost in dollars as 50", one, value, q.name)
		}
		all = append(all, q)
	}
	return all, nil
}

func (q Requirement) met(r *sim.Result) bool {
	v := q.of.read(r)
	switch q.op {
	case "<":
		return v < q.limit
	case "<=":
		return v <= q.limit
	case ">":
		return v > q.limit
	}
	return v >= q.limit
}

// Unmet are the requirements the runs miss, a line each.
func Unmet(all []Requirement, cs []Contender) []string {
	var lines []string
	for i := range cs {
		for _, q := range all {
			if !q.met(cs[i].Result) {
				lines = append(lines, fmt.Sprintf("%s: %s is required, it is %s", cs[i].Label, q.text, q.of.write(q.of.read(cs[i].Result))))
			}
		}
	}
	return lines
}
