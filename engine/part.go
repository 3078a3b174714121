package engine

// Part returns the GPU of a machine with a share of a GPU's time and memory
// (Azure's NVads A10 sizes: a sixth, a third or a half), with that share of
// compute and bandwidth. It is the guaranteed speed, not the speed beside idle
// neighbours. A share of 0 or 1 is the whole GPU.
func (g *GPU) Part(share float64) *GPU {
	if share <= 0 || share >= 1 {
		return g
	}
	part := *g
	for _, f := range []*float64{&part.UsableGiB, &part.BandwidthGB, &part.TFLOPS16, &part.TFLOPS8, &part.TFLOPS4} {
		*f *= share
	}
	return &part
}
