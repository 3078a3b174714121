package config

import (
	"errors"
	"testing"
	"time"
)

func TestAnotherFileIsReadByTheSameRules(t *testing.T) {
	type wait struct {
		For time.Duration `yaml:"for" default:"5s"`
	}
	type file struct {
		Rate  Rate      `yaml:"rate" need:"true" example:"10/s"`
		Hours []Percent `yaml:"hours"`
		Wait  wait      `yaml:"wait"`
	}
	var have file
	if err := Decode("f.yaml", []byte("rate: 2/s\nhours: [5%, 100%]\n"), &have); err != nil {
		t.Fatal(err)
	}
	if have.Rate != 120 || len(have.Hours) != 2 || have.Wait.For != 5*time.Second {
		t.Errorf("have %+v", have)
	}
	var faults Faults
	err := Decode("f.yaml", []byte("rate: 2\nmodels: []\nwait: {for: 3}\n"), &file{})
	if !errors.As(err, &faults) || len(faults) != 3 {
		t.Errorf("want three faults, have %v", err)
	}
	err = Decode("f.yaml", nil, &file{})
	if !errors.As(err, &faults) || faults[0].Remedy != "write keys with values, one a line" {
		t.Errorf("have %v", err)
	}
}
