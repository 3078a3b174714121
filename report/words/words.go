// Package words writes numbers for people: amounts, shares, times, sizes and
// counts. Each kind has one form here, which every text, page and drawing of
// Weir uses. It knows no table and no command.
package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir"
)

// Count words a number of things: "1 model", "3 models".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Dollars rounds to cents and groups thousands: "$12,345.68".
func Dollars(m weir.Money) string {
	const cent = weir.Dollar / 100
	if m < 0 {
		return "-" + Dollars(-m)
	}
	return Exact((m + cent/2) / cent * cent)
}

// Exact writes an amount to the micro-dollar, without needless zeros after the
// cents, and groups thousands: "$0.075", "$12,345.60".
func Exact(m weir.Money) string {
	s := m.String()
	for at := strings.IndexByte(s, '.') - 3; at > strings.IndexByte(s, '$')+1; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// Small writes amounts below a dollar with all six decimals, which aligns them
// in a column; others as Dollars does.
func Small(m weir.Money) string {
	if m >= weir.Dollar {
		return Dollars(m)
	}
	return fmt.Sprintf("$0.%06d", m)
}

// scales of large numbers. Thousands begin at 10,000: "9876" is as short as
// "9.876k".
var scales = []struct {
	letter, word string
	from, unit   float64
}{{"T", "trillion", 1e12, 1e12}, {"G", "billion", 1e9, 1e9}, {"M", "million", 1e6, 1e6}, {"k", "thousand", 1e4, 1e3}}

// Short writes a number with four digits, large ones with k, M, G or T: "43.8M".
func Short(n float64) string {
	for _, s := range scales {
		if n >= s.from {
			return digits(n/s.unit, 4) + s.letter
		}
	}
	return digits(n, 4)
}

// Spelled is Short for sentences: "8.76 billion".
func Spelled(n float64) string {
	for _, s := range scales {
		if n >= s.from {
			return digits(n/s.unit, 4) + " " + s.word
		}
	}
	return digits(n, 4)
}

func digits(n float64, most int) string { return strconv.FormatFloat(n, 'g', most, 64) }

// Percent writes a share with a limited number of digits: 0.1234 with three is
// "12.3 %".
func Percent(share float64, most int) string { return digits(100*share, most) + " %" }

// Duration rounds to three digits: "57.3ms", "1.26s".
func Duration(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}

// Clock writes a duration as h:mm:ss, to the second.
func Clock(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// GiB writes bytes in units of 2^30.
func GiB(bytes int64) string { return fmt.Sprintf("%.2f GiB", float64(bytes)/(1<<30)) }

// KiB writes bytes in units of 2^10.
func KiB(bytes int64) string { return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10)) }

// Sentence makes a clause a sentence: a capital letter first and a full stop.
// "" stays "".
func Sentence(clause string) string {
	if clause == "" {
		return ""
	}
	return strings.ToUpper(clause[:1]) + clause[1:] + "."
}
