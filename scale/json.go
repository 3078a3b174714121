package scale

import (
	"encoding/json"
	"fmt"

	"weir"
)

// Unknown returns an observation with a time only: no replicas, no demand, and
// every optional level marked as unknown.
func Unknown(now weir.Instant) Observation {
	return Observation{Now: now, GPUUtilisation: -1, KVUse: -1, EngineWaiting: -1, Quota: -1}
}

// replica is the part of a weir.Replica that Decide reads, as in the journal.
type replica struct {
	ID      string       `json:"id"`
	State   string       `json:"state"`
	Units   int          `json:"units,omitempty"`
	Since   weir.Instant `json:"since"`
	Asked   weir.Instant `json:"asked"`
	ReadyAt weir.Instant `json:"ready_at,omitempty"`
}

type plainObservation Observation // without methods

type observationJSON struct {
	plainObservation
	Replicas []replica `json:"replicas"`
}

// MarshalJSON writes only the fields of each replica that Decide reads.
func (o Observation) MarshalJSON() ([]byte, error) {
	j := observationJSON{plainObservation: plainObservation(o), Replicas: make([]replica, len(o.Replicas))}
	for i, r := range o.Replicas {
		j.Replicas[i] = replica{r.ID, r.State.String(), r.Units, r.Since, r.Asked, r.ReadyAt}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (o *Observation) UnmarshalJSON(b []byte) error {
	var j observationJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*o = Observation(j.plainObservation)
	o.Replicas = nil
	for _, r := range j.Replicas {
		state, err := replicaState(r.State)
		if err != nil {
			return err
		}
		o.Replicas = append(o.Replicas, weir.Replica{ID: r.ID, Units: r.Units, State: state, Since: r.Since, Asked: r.Asked, ReadyAt: r.ReadyAt})
	}
	return nil
}

func replicaState(name string) (weir.ReplicaState, error) {
	for s := weir.Starting; s <= weir.Failed; s++ {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("scale: replica state %q is none of starting, ready, draining, failed", name)
}
