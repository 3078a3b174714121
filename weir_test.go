package weir

import "testing"

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
