package term

import (
	"testing"
	"time"
)

func TestTheBarSaysHowLongTheRestTakes(t *testing.T) {
	if have, want := progressLine(0.25, 10*time.Second), "[########----------------------]  25 %  30s left"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}
