package report

import "testing"

func TestOnlyInkColours(t *testing.T) {
	if have := Ink(true).Paint(Red, "x"); have != "\x1b[31;1mx\x1b[0m" {
		t.Errorf("have %q", have)
	}
	if have := Ink(false).Paint(Red, "x"); have != "x" {
		t.Errorf("have %q", have)
	}
}
