package aci_test

import (
	"testing"

	"weir/emulate/arm"
	"weir/fleet/fleettest"
)

// The place keeps the contract, over TCP and TLS with the real SDK, against the
// emulated control plane and servers at its groups' addresses. A group that someone
// stops stands for a container that ends.
func TestContract(t *testing.T) {
	fleettest.Run(t, func(t *testing.T) fleettest.Harness {
		c := start(t, arm.Options{})
		d := worker()
		p := c.open(d)
		return fleettest.Harness{Actuator: p, Deployment: d.Name, Capacity: d.MaxReplicas, Settle: settle, Hold: p.hold, Fail: c.kill}
	})
}
