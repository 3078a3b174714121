package whatif

import (
	"slices"
	"strings"
	"time"

	"weir/config"
)

// This file reads policies from the command line.

// splitPolicies reads the values of --policy: names with their knobs, separated
// by commas. A name may itself have a comma, as the published tables write it:
// "weir, foreseeing".
func splitPolicies(values []string) []string {
	var specs []string
	for _, value := range values {
		parts := strings.Split(value, ",")
		for len(parts) > 0 {
			n := len(parts)
			for ; n > 1; n-- { // the longest known name
				if _, ok := policyCalled(strings.Join(parts[:n], ",")); ok {
					break
				}
			}
			specs = append(specs, strings.TrimSpace(strings.Join(parts[:n], ",")))
			parts = parts[n:]
		}
	}
	return specs
}

// policyCalled finds the policy of a spec, NAME or NAME=KNOB, by its own name or
// with ", " in it for "-".
func policyCalled(spec string) (name string, ok bool) {
	name, knob, _ := strings.Cut(spec, "=")
	if strings.Contains(knob, ",") {
		return name, false
	}
	words := strings.Split(name, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	name = strings.Join(words, "-")
	return name, isPolicy(name)
}

// Untargeted is the demonstration's model without the choices for its own
// replicas: targets and a scale-in after seconds, which would be wrong for
// other hardware.
func Untargeted(m *config.Model) *config.Model {
	plain := *m
	plain.Deployments = slices.Clone(m.Deployments)
	for i := range plain.Deployments {
		d := &plain.Deployments[i]
		if d.Scaling == nil {
			continue
		}
		s := *d.Scaling
		s.TargetRequests, s.TargetConcurrency, s.TargetQueue, s.TargetUse, s.GPUUtilisation = 0, 0, 0, 0, nil
		s.ScaleInAfter = 10 * time.Minute // the default
		d.Scaling = &s
	}
	return &plain
}
