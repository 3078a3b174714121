package kubernetes

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// offered reads a device as a ResourceSlice has it.
func offered(t *testing.T, text string) device {
	t.Helper()
	d := device{driver: "gpu.nvidia.com", pool: "a"}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhichDevicesASelectorTakes(t *testing.T) {
	d := offered(t, `{"name":"gpu-0","attributes":{"type":{"string":"gpu"},"productName":{"string":"NVIDIA H100 80GB HBM3"},
		"cudaDriverVersion":{"version":"12.8.0"},"index":{"int":0},"fake":{"bool":false},"links":{"ints":[1,2]},"other.com/zone":{"string":"z"}},
		"capacity":{"memory":{"value":"81559Mi"}}}`)
	f := func(want bool, selectors ...string) {
		t.Helper()
		if have := d.suits(selectors); have != want {
			t.Errorf("%q: %v, want %v", selectors, have, want)
		}
	}
	f(true)
	f(true, `device.driver == "gpu.nvidia.com"`, `device.driver == 'gpu.nvidia.com'`)
	f(false, `device.driver == "tpu.google.com"`)
	// as NVIDIA's driver defines its classes gpu.nvidia.com and mig.nvidia.com
	f(true, `device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'`)
	f(false, `device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig'`)
	f(true, `device.attributes["gpu.nvidia.com"].type != "mig" && device.attributes["gpu.nvidia.com"].index == 0`)
	f(true, `device.attributes["gpu.nvidia.com"].fake == false && device.attributes["gpu.nvidia.com"].cudaDriverVersion == "12.8.0"`)
	f(true, `device.attributes["other.com"].zone == "z"`)
	f(false, `device.attributes["other.com"].type == "gpu"`) // it is in the driver's domain
	f(false, `device.attributes["gpu.nvidia.com"].colour != "red"`)
	f(true, `device.capacity["gpu.nvidia.com"].memory.compareTo(quantity("40Gi")) >= 0`)
	f(false, `device.capacity["gpu.nvidia.com"].memory.compareTo(quantity("80Gi")) >= 0`)
	f(true, `device.capacity["gpu.nvidia.com"].memory.compareTo(quantity("80Gi")) < 0`)
	f(false, `device.capacity["gpu.nvidia.com"].cores.compareTo(quantity("1")) > 0`)
	// what Weir does not read holds: never a device too few
	f(true, `device.attributes["gpu.nvidia.com"].productName.lowerAscii().matches("^.*a100.*$")`)
	f(true, `device.driver == "tpu.google.com" || device.driver == "gpu.nvidia.com"`)
	f(true, `!(device.allowMultipleAllocations && device.driver == "tpu.google.com")`)
	f(true, `device.attributes["gpu.nvidia.com"].links == 3`)
	f(true, `cel.bind(x, device.attributes["gpu.nvidia.com"], x.type == "mig" && device.driver == "tpu.google.com")`)
	f(true, ``, `not CEL at all )(`)
}

func TestTheDevicesOfANode(t *testing.T) {
	gpu := want{Class: "gpu", Count: 1, Selectors: []string{`device.attributes["gpu.nvidia.com"].type == "gpu"`}}
	nic := want{Class: "any", Count: 1}
	slice := func(node string, generation int64, devices ...string) resourceSlice {
		var s resourceSlice
		s.Spec.Driver, s.Spec.NodeName, s.Spec.Pool.Name, s.Spec.Pool.Generation = "gpu.nvidia.com", node, node, generation
		for _, text := range devices {
			s.Spec.Devices = append(s.Spec.Devices, offered(t, text))
		}
		return s
	}
	const (
		g0  = `{"name":"g0","attributes":{"type":{"string":"gpu"}}}`
		g1  = `{"name":"g1","attributes":{"type":{"string":"gpu"}}}`
		bad = `{"name":"g2","attributes":{"type":{"string":"gpu"}},"taints":[{"key":"unhealthy","effect":"NoExecute"}]}`
		mig = `{"name":"m0","attributes":{"type":{"string":"mig"}}}`
	)
	var claim, own resourceClaim
	for c, text := range map[*resourceClaim]string{
		&claim: `{"status":{"allocation":{"devices":{"results":[{"driver":"gpu.nvidia.com","pool":"a","device":"g1"}]}},"reservedFor":[{"uid":"theirs"}]}}`,
		&own:   `{"status":{"allocation":{"devices":{"results":[{"driver":"gpu.nvidia.com","pool":"a","device":"g0"}]}},"reservedFor":[{"uid":"ours"}]}}`,
	} {
		if err := json.Unmarshal([]byte(text), c); err != nil {
			t.Fatal(err)
		}
	}
	f := func(wants []want, whole, free int, slices ...resourceSlice) {
		t.Helper()
		s := &stock{wants: wants, taken: map[string]bool{}}
		s.stock(slices)
		s.take([]resourceClaim{claim, own}, map[types.UID]bool{"ours": true})
		s.count()
		if have := s.by["a"]; have != (fits{whole, free}) {
			t.Errorf("%v, want %d, of which %d are free", have, whole, free)
		}
	}
	f([]want{gpu}, 2, 1, slice("a", 1, g0, g1, bad, mig), slice("b", 1, g0, g1))
	tolerant := gpu
	tolerant.Tolerates = true
	f([]want{tolerant}, 3, 2, slice("a", 1, g0, g1, bad, mig))
	two := gpu
	two.Count = 2
	f([]want{two}, 1, 0, slice("a", 1, g0, g1))
	f([]want{gpu, nic}, 1, 1, slice("a", 1, g0, g1, mig)) // three devices, two for each pod
	f([]want{gpu}, 1, 1, slice("a", 1, g0, g1), slice("a", 2, g0))
	f([]want{gpu}, 0, 0)
}

func TestWhatAProvisioningRequestGives(t *testing.T) {
	c := func(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
	}
	f := func(why, text string, conditions ...metav1.Condition) {
		t.Helper()
		if have := granted("r", conditions); have.why != why || !strings.Contains(have.text, text) {
			t.Errorf("%v, want %q with %q", have, why, text)
		}
	}
	const yes, no = metav1.ConditionTrue, metav1.ConditionFalse
	accepted := c("Accepted", yes, "Accepted", "")
	f("provisioning", "ProvisioningRequest r has no answer yet")
	f("provisioning", "has no answer yet", accepted)
	f("provisioning", "Provisioned CapacityIsNotFound: Capacity is not found, CA will try to find it later", accepted,
		c("Provisioned", no, "CapacityIsNotFound", "Capacity is not found, CA will try to find it later"))
	f("", "", accepted, c("Provisioned", yes, "CapacityIsFound", ""))
	f("", "", c("Provisioned", yes, "CapacityIsFound", ""), c("BookingExpired", yes, "CapacityReservationTimeExpired", ""))
	f("no_node", "Failed CapacityIsNotFound", c("Failed", yes, "CapacityIsNotFound", "no capacity"))
	f("no_node", "CapacityRevoked", c("Provisioned", yes, "", ""), c("CapacityRevoked", yes, "", "gone"))
}
