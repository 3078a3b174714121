package weir

import (
	"encoding/json"
	"testing"
)

func TestMoneyIsWrittenInDollars(t *testing.T) {
	f := func(m Money, want string) {
		t.Helper()
		if have := m.String(); have != want {
			t.Errorf("Money(%d) = %q, want %q", m, have, want)
		}
	}
	f(0, "$0.00")
	f(125, "$0.000125")
	f(3*Dollar+500_000, "$3.50")
	f(-Dollar-1, "-$1.000001")
}

func TestMoneyInJSONIsDollars(t *testing.T) {
	for m, want := range map[Money]string{0: "0", 125: "0.000125", 3*Dollar + 500_000: "3.5", 10 * Dollar: "10", -Dollar - 1: "-1.000001", 1<<63 - 1: "9223372036854.775807"} {
		text, err := json.Marshal(m)
		if err != nil || string(text) != want {
			t.Errorf("%s, want %s (%v)", text, want, err)
		}
		var back Money
		if err := json.Unmarshal(text, &back); err != nil || back != m {
			t.Errorf("%s is read as %d (%v)", text, back, err)
		}
	}
	var m Money
	if json.Unmarshal([]byte("1e30"), &m) == nil || json.Unmarshal([]byte(`"$1"`), &m) == nil || json.Unmarshal([]byte("0.0000015"), &m) != nil || m != 2 {
		t.Error(m)
	}
}

func TestNamesOfEveryConstantAreKnown(t *testing.T) {
	for s, want := range map[interface{ String() string }]string{
		Batch: "batch", OpMessages: "messages", Failed: "failed", Failure: "failed",
		GatewayFault: "gateway", Class(9): "unknown(9)",
	} {
		if s.String() != want {
			t.Errorf("%T: %q, want %q", s, s.String(), want)
		}
	}
}
