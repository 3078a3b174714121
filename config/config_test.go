package config

import "testing"

func TestTheBuiltInConfigurationIsValid(t *testing.T) {
	key := HashKey("weir_test")
	c, err := Default("/opt/weir", key)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if c.Tenants[0].Keys[0].Hash != key {
		t.Error("the key's hash is not the given one")
	}
	for _, m := range c.Models {
		if p := m.Deployments[0].Process; p.Command[0] != "/opt/weir" || p.Command[1] != "emulate" {
			t.Errorf("%s starts %q", m.Name, p.Command)
		}
	}
}
