package arm

import (
	"fmt"
	"net/http"
	"strconv"
)

// autoscaleKind is a setting of Azure Monitor autoscale (armmonitor v0.13,
// 2022-10-01). It is kept and found, and scales nothing here: a second writer is
// what Weir refuses.
func autoscaleKind() *kind {
	return &kind{typ: "Microsoft.Insights/autoscaleSettings", check: checkAutoscale}
}

// checkAutoscale: at most 20 profiles with at most 10 rules each, and bounds in
// order ("Autoscale settings").
func checkAutoscale(_ *Cloud, ch *change) *problem {
	invalid := func(format string, a ...any) *problem {
		return refuse(http.StatusBadRequest, "InvalidAutoscaleSetting", fmt.Sprintf(format, a...))
	}
	profiles := arrayAt(ch.body, "properties", "profiles")
	if textAt(ch.body, "properties", "targetResourceUri") == "" || len(profiles) == 0 || len(profiles) > 20 {
		return invalid("want a targetResourceUri and 1 to 20 profiles; there are %d.", len(profiles))
	}
	for _, p := range profiles {
		if n := len(arrayAt(p, "rules")); n > 10 {
			return invalid("profile %s has %d rules, want at most 10.", textAt(p, "name"), n)
		}
		var bounds [3]int
		for i, key := range []string{"minimum", "default", "maximum"} {
			n, err := strconv.Atoi(textAt(p, "capacity", key))
			if err != nil {
				return invalid("profile %s: capacity.%s %q is no number.", textAt(p, "name"), key, textAt(p, "capacity", key))
			}
			bounds[i] = n
		}
		if bounds[0] > bounds[1] || bounds[1] > bounds[2] {
			return invalid("profile %s: want minimum <= default <= maximum, have %v.", textAt(p, "name"), bounds)
		}
	}
	return nil
}
