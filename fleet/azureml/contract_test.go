package azureml_test

import (
	"testing"

	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir/fleet/fleettest"
)

// The place keeps the contract, over TCP and TLS with the real SDK, against the
// emulated control plane. A deployment that someone deletes stands for instances
// that are lost: Azure says of no single one that it is gone.
func TestContract(t *testing.T) {
	fleettest.Run(t, func(t *testing.T) fleettest.Harness {
		c := start(t, ml.EndpointAuthModeKey)
		d := blue()
		d.AllowDelete, d.Definition = true, c.definition()
		c.delete()
		p := c.open(d)
		return fleettest.Harness{
			Actuator: p, Deployment: d.Name, Capacity: d.MaxReplicas, OneAddress: true, Settle: settle,
			Hold: func(string, bool) {}, Fail: func(string) { c.delete() },
		}
	})
}
