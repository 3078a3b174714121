package engine

// GPU is what the roofline needs to know of an accelerator. Figures are
// nominal (dense); what kernels reach of them is in Kernels.
type GPU struct {
	Name        string
	UsableGiB   float64 // device memory the framework sees
	BandwidthGB float64 // device memory, GB/s
	TFLOPS16    float64 // bf16, or fp16 where there is no bf16
	TFLOPS8     float64 // fp8; 0: computed in 16 bits, stored in 8
	TFLOPS4     float64 // fp4; 0: computed in 16 bits, stored in 4
	NVLink      bool    // GPUs of one replica are linked by more than PCIe
	Kernels     *Kernels
}

// gpus are the accelerators known by name. Figures: NVIDIA datasheets, and for
// UsableGiB the start-up logs of vLLM.
var gpus = []GPU{
	{Name: "H100-80GB", UsableGiB: 79.19, BandwidthGB: 3350, TFLOPS16: 989, TFLOPS8: 1979, NVLink: true, Kernels: &hopper},
	{Name: "H200", UsableGiB: 139.81, BandwidthGB: 4800, TFLOPS16: 989, TFLOPS8: 1979, NVLink: true, Kernels: &hopperHBM3e},
	{Name: "A100-80GB", UsableGiB: 79.25, BandwidthGB: 2039, TFLOPS16: 312, NVLink: true, Kernels: &ampere},
	{Name: "A100-40GB", UsableGiB: 39.50, BandwidthGB: 1555, TFLOPS16: 312, NVLink: true, Kernels: &ampere},
	{Name: "L4", UsableGiB: 22.06, BandwidthGB: 300, TFLOPS16: 121, TFLOPS8: 242, Kernels: &ada},
	{Name: "L40S", UsableGiB: 44.42, BandwidthGB: 864, TFLOPS16: 362, TFLOPS8: 733, Kernels: &ada},
	{Name: "T4", UsableGiB: 14.56, BandwidthGB: 320, TFLOPS16: 65, Kernels: &turing},
	{Name: "RTX4090", UsableGiB: 23.52, BandwidthGB: 1008, TFLOPS16: 165, TFLOPS8: 330, Kernels: &adaGeForce},
	{Name: "RTX PRO 6000", UsableGiB: 94.97, BandwidthGB: 1792, TFLOPS16: 467.8, TFLOPS8: 935.6, Kernels: &blackwellPro},
	{Name: "B200", UsableGiB: 178.35, BandwidthGB: 7700, TFLOPS16: 2250, TFLOPS8: 4500, TFLOPS4: 9000, NVLink: true, Kernels: &blackwell},
}
