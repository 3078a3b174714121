package words

import (
	"testing"
	"time"

	"weir"
)

func TestNumbersAreWrittenAsPeopleReadThem(t *testing.T) {
	f := func(have, want string) {
		t.Helper()
		if have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
	f(Count(0, "model"), "0 models")
	f(Count(1, "model"), "1 model")
	f(Count(2, "model"), "2 models")

	f(Dollars(0), "$0.00")
	f(Dollars(12_345_678_900), "$12,345.68")
	f(Dollars(-1_234_567_895_000), "-$1,234,567.90")
	f(Dollars(4_999), "$0.00")
	f(Dollars(5_000), "$0.01")
	f(Dollars(999*weir.Dollar), "$999.00")

	f(Exact(75_000), "$0.075")
	f(Exact(2_500_000), "$2.50")
	f(Exact(12_345_600_000), "$12,345.60")
	f(Exact(-1_000_000_001), "-$1,000.000001")

	f(Small(0), "$0.000000")
	f(Small(123), "$0.000123")
	f(Small(weir.Dollar), "$1.00")

	f(Short(0), "0")
	f(Short(9876), "9876")
	f(Short(12_345), "12.35k") // 12.345 rounds to even or up, as the machine's number is
	f(Short(43_800_000), "43.8M")
	f(Short(1.5e9), "1.5G")
	f(Short(2e12), "2T")
	f(Spelled(8.76e9), "8.76 billion")
	f(Spelled(12_340), "12.34 thousand")
	f(Spelled(9999), "9999")

	f(Percent(0.1234, 3), "12.3 %")
	f(Percent(0.99995, 4), "100 %")
	f(Percent(1, 4), "100 %")
	f(Percent(0, 4), "0 %")

	f(Duration(12_345*time.Millisecond), "12.3s")
	f(Duration(1_264*time.Millisecond), "1.26s")
	f(Duration(57_349*time.Microsecond), "57.3ms")
	f(Duration(1_234_567), "1.23ms")
	f(Duration(0), "0s")

	f(Clock(0), "0:00:00")
	f(Clock(26*time.Hour+3*time.Minute+4500*time.Millisecond), "26:03:05")

	f(GiB(3<<29), "1.50 GiB")
	f(KiB(1536), "1.5 KiB")

	f(Sentence(""), "")
	f(Sentence("it fits"), "It fits.")
}
