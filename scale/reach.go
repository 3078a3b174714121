package scale

import "fmt"

// Reach is the recent share of requests that miss the SLO at any number of
// replicas: an idle replica is too slow for their prompt, or for its own tokens.
// They are in no error budget. More replicas would not help, and the headroom
// that they would call for serves nobody.
type Reach struct {
	Ended float64 `json:"ended"` // recent requests
	Out   float64 `json:"out"`   // of them: out of reach

	// Totals at the last step.
	All    uint64 `json:"all"`
	Beyond uint64 `json:"beyond"`
}

const (
	reachEnough = 200   // requests before the share is stated
	reachWorth  = 0.002 // least share worth stating
)

func (r *Reach) saw(o *Observation) {
	all := o.Attained + o.Missed
	if r.All > 0 && all > r.All && o.OutOfReach >= r.Beyond {
		ofLate(&r.Ended, &r.Out, float64(all-r.All), float64(o.OutOfReach-r.Beyond))
	}
	r.All, r.Beyond = all, o.OutOfReach
}

// note is added to a decision's first reason; "" when all requests can meet the
// SLO, or nearly all.
func (r *Reach) note() string {
	if r.Ended < reachEnough || r.Out < reachWorth*r.Ended {
		return ""
	}
	return fmt.Sprintf("; %.2g %% of requests miss the SLO at any number of replicas and do not count", 100*r.Out/r.Ended)
}
