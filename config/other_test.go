package config

import (
	"errors"
	"strings"
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
	if !errors.As(err, &faults) || faults[0].Remedy != "write key: value, one per line" {
		t.Errorf("have %v", err)
	}
}

func TestOneKeyIsSetAndTheOthersStay(t *testing.T) {
	s := Scaling{Min: 1, Max: 4, GPUUtilisation: &GPUUtilisation{High: 80, Low: 20, Sustain: time.Minute}}
	before := s
	for key, value := range map[string]string{
		"max": "8", "target_use": "70%", "gpu_utilisation.high": "90%", "queue.drain_within": "10s", "price.hour": "$2",
	} {
		if err := Set(&s, key, value); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if s.Min != 1 || s.Max != 8 || s.TargetUse != 70 || s.Queue.DrainWithin != 10*time.Second || s.Price.Hour != 2_000_000 {
		t.Errorf("have %+v", s)
	}
	if g := *s.GPUUtilisation; g != (GPUUtilisation{High: 90, Low: 20, Sustain: time.Minute}) {
		t.Errorf("have %+v", g)
	}
	if before.GPUUtilisation.High != 80 {
		t.Error("the block of a copy has changed with it")
	}
}

func TestAKeyIsSetInAStructThatNeedsOthers(t *testing.T) {
	m := Model{Name: "chat", Deployments: []Deployment{{Name: "chat/a"}}}
	if err := Set(&m, "queue.max_wait", "5s"); err != nil || m.Queue.MaxWait != 5*time.Second || m.Name != "chat" || len(m.Deployments) != 1 {
		t.Errorf("have %+v, %v", m, err)
	}
}

func TestWhatCannotBeSetIsSaid(t *testing.T) {
	f := func(key, value, want string) {
		t.Helper()
		if err := Set(&Scaling{}, key, value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s gives %v, want %q", key, value, err, want)
		}
	}
	f("target_usage", "70%", `did you mean "target_use"?`)
	f("target_use", "0.7", "write 70%")
	f("max", "0", "out of range")
	f("queue", "20s", "must be a mapping of keys to values")
	f("queue.drain", "20s", "unknown key")
	f("price.vm", "\nhour: $2", "one line")
	f("max", "[", "")
}
