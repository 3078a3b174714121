package engine

import (
	"strings"

	"weir/fit"
	"weir/price"
)

// GPU is the roofline's data of an accelerator. Figures are nominal (dense);
// Kernels holds the part that kernels reach.
type GPU struct {
	Name        string
	UsableGiB   float64 // device memory the framework sees
	BandwidthGB float64 // device memory, GB/s
	TFLOPS16    float64 // bf16, or fp16 where there is no bf16
	TFLOPS8     float64 // fp8; 0: computed in 16 bits, stored in 8
	TFLOPS4     float64 // fp4; 0: computed in 16 bits, stored in 4
	NVLink      bool    // the GPUs of a replica have a faster link than PCIe
	LinkGB      float64 // of that link, GB/s in one direction; 0: as fast as the measured family's
	PCIeGB      float64 // of each GPU's PCIe link, GB/s in one direction; 0: not known
	Kernels     *Kernels

	memory fit.GPU // fit's data besides UsableGiB
}

// NewGPU reads a GPU of the catalogue. Errors wrap that of an unknown figure.
func NewGPU(g price.GPU) (*GPU, error) {
	e := &GPU{Name: g.Name, NVLink: g.LinkGB.Value() > 0, Kernels: kernelsOf(g)}
	for _, f := range []struct {
		to   *float64
		from price.Figure
		must bool
	}{
		{&e.BandwidthGB, g.BandwidthGB, true},
		{&e.TFLOPS16, g.TFLOPS16(), true},
		{&e.UsableGiB, g.UsableGiB, false},
		{&e.LinkGB, g.LinkGB, false},
		{&e.PCIeGB, g.PCIeGB, false},
		{&e.TFLOPS8, g.FP8TFLOPS, false},
		{&e.TFLOPS4, g.FP4TFLOPS, false},
	} {
		v, err := f.from.Get()
		if err != nil && f.must {
			return nil, err
		}
		*f.to = v
	}
	var err error
	if e.memory, err = fit.NewGPU(g); err != nil {
		return nil, err
	}
	sustained := sustainedCompute(g.Name)
	e.TFLOPS16, e.TFLOPS8, e.TFLOPS4 = e.TFLOPS16*sustained, e.TFLOPS8*sustained, e.TFLOPS4*sustained
	if e.UsableGiB == 0 { // without a start-up log
		e.UsableGiB = float64(e.memory.Total) / fit.GiB
	}
	return e, nil
}

// sustainedCompute is the part of the compute that a board's power limit
// leaves, relative to its nearest measured relative, by the best matrix product
// found on each (mag-/gpu_benchmark commit 13f96a42: H100 SXM 792 of 989
// TFLOPS, NVL 488.5 of 835, PCIe 499.5 of 756, MI300X 758 of 1307).
func sustainedCompute(name string) float64 {
	switch {
	case strings.HasPrefix(name, "H100-NVL"):
		return 0.73
	case strings.HasPrefix(name, "H100-PCIe"):
		return 0.82
	case strings.HasPrefix(name, "MI3"):
		return 0.72
	}
	return 1
}

// kernelsOf returns the measured kernels of a GPU's family, or those of the
// nearest measured family.
func kernelsOf(g price.GPU) *Kernels {
	switch {
	case strings.HasPrefix(g.Compute, "12"):
		return &blackwellPro
	case strings.HasPrefix(g.Compute, "10"):
		return &blackwell
	case g.Compute == "9.0" && g.BandwidthGB.Value() > 4000:
		return &hopperHBM3e
	case g.Compute == "9.0":
		return &hopper
	case g.Compute == "8.9" && strings.HasPrefix(g.Name, "RTX"):
		return &adaGeForce
	case g.Compute == "8.9":
		return &ada
	case strings.HasPrefix(g.Compute, "8"):
		return &ampere
	case strings.HasPrefix(g.Compute, "7"):
		return &turing
	}
	return &hopper
}

// GPUNames lists the GPUs of the embedded catalogue that Lookup can model.
func GPUNames() []string {
	c, err := price.Default()
	if err != nil {
		return nil
	}
	var names []string
	for _, g := range c.GPUs() {
		if _, err := NewGPU(g); err == nil {
			names = append(names, g.Name)
		}
	}
	return names
}
