package engine

// Part is what a machine holds that has a share of the GPU's time and memory
// (Azure's NVads A10 sizes: a sixth, a third or a half): that share of its
// compute and bandwidth, as the others' shares are taken by others. It is the
// speed to count on, not the fastest that an idle neighbour leaves. A share of 0
// or 1 is the whole GPU.
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
