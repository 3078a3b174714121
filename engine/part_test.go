package engine

import "testing"

func TestAPartOfAGPUHasThatPartOfEverything(t *testing.T) {
	pg, err := catalogue(t).GPU("A10")
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGPU(pg)
	if err != nil {
		t.Fatal(err)
	}
	half := g.Part(0.5)
	if half.UsableGiB != g.UsableGiB/2 || half.BandwidthGB != g.BandwidthGB/2 || half.TFLOPS16 != g.TFLOPS16/2 || half.Name != g.Name {
		t.Errorf("half of %+v is %+v", *g, *half)
	}
	if g.Part(1) != g || g.Part(0) != g {
		t.Error("the whole GPU is another one")
	}
}
