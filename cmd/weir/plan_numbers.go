package main

import (
	"fmt"
	"strconv"

	"weir"
)

// dollars rounds to cents and groups thousands: "$12,345.68".
func dollars(m weir.Money) string {
	const cent = weir.Dollar / 100
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	m = (m + cent/2) / cent
	return fmt.Sprintf("%s$%s.%02d", sign, grouped(int64(m/100)), m%100)
}

// fine writes small amounts in full, so that those of a column are as wide.
func fine(m weir.Money) string {
	if m >= weir.Dollar {
		return dollars(m)
	}
	return fmt.Sprintf("$0.%06d", m)
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short writes a large number with four digits: "43.8M".
func short(n float64) string {
	for _, u := range []struct {
		name string
		from float64
	}{{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e4}} {
		if n >= u.from {
			if u.name == "k" {
				u.from = 1e3
			}
			return strconv.FormatFloat(n/u.from, 'g', 4, 64) + u.name
		}
	}
	return strconv.FormatFloat(n, 'g', 4, 64)
}

func percent(part, whole float64) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.4g %%", 100*part/whole)
}
