package ticks

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Hold runs the original through every case of a policy, compares what it
// wants with the file of the case, or with update writes that file, and checks
// the baseline against it. root is the repository; from the time of the first
// tick. run calls its argument within whatever the original needs around it.
func Hold(t *testing.T, policy, root string, from time.Duration, update bool, run func(t *testing.T, c *Case, body func(Original))) {
	cases, err := Cases(policy, filepath.Join(root, "trace", "testdata", "azure23_conv_10min.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			run(t, c, func(original Original) { err = c.Record(from, original) })
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(root, "scale", "testdata", "baselines", c.Name+".txt")
			if update {
				if err := os.WriteFile(file, c.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(kept, c.Bytes()) {
				t.Errorf("the original's ticks differ from %s: run again with -update and look at the change", file)
			}
			c.MustAgree(t)
		})
	}
}

// Walk runs the original and the baseline over one course drawn from a seed,
// with settings drawn from it too, and keeps no file of it.
func Walk(t *testing.T, policy string, seed uint64, from time.Duration, run func(t *testing.T, c *Case, body func(Original))) {
	c := drawn(policy, seed)
	var err error
	run(t, c, func(original Original) { err = c.Record(from, original) })
	if err != nil {
		t.Fatal(err)
	}
	if !t.Run(c.Name, c.MustAgree) {
		t.Logf("target %v, min %d, max %d, start %d, cold %v, behavior %v", c.Target, c.Min, c.Max, c.Start, c.Cold, c.Behavior)
	}
}

// MustAgree fails the test where the baseline and the original differ.
func (c *Case) MustAgree(t *testing.T) {
	t.Helper()
	faults, err := c.Check()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range faults {
		if i == 10 {
			t.Errorf("and at %d more of %d ticks", len(faults)-i, len(c.Rows))
			break
		}
		t.Error(f)
	}
}
