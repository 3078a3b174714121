package main

import "testing"

func TestOtherHardwareHasNoHiddenTarget(t *testing.T) {
	f := simulateFlags{gpu: "A100-80GB", engineModel: "llama-3.3-70b", tp: 4, prefixTokens: 512}
	s, err := f.setting()
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Deployments[0].Own.Policy; p.TargetRequests != 0 || p.GPU.High != 0 || p.Capacity.Prefill == 0 || p.ScaleInAfter.Minutes() != 10 {
		t.Errorf("the demonstration's targets decide for another GPU: %+v", p)
	}
	if _, err := (&simulateFlags{prefixTokens: 512}).setting(); err != nil {
		t.Error(err)
	}
}
