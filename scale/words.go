package scale

import (
	"fmt"
	"strconv"
	"time"
)

// Figures of a reason. A figure beside a bound is never rounded onto or over
// it.

// percentBeside writes a share in whole percent, with more digits if needed to
// show on which side of the bounds it is.
func percentBeside(share float64, bounds ...float64) string {
	digits := 0
	for ; digits < 6; digits++ {
		if sameSide(share, digits, bounds) {
			break
		}
	}
	return strconv.FormatFloat(100*share, 'f', digits, 64) + " %"
}

// sameSide says whether the rounded percentage is on the same side of every
// bound as share.
func sameSide(share float64, digits int, bounds []float64) bool {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(100*share, 'f', digits, 64), 64)
	if err != nil {
		return true
	}
	for _, b := range bounds {
		if share != b && (share < b) != (rounded < 100*b) || share > b && rounded <= 100*b {
			return false
		}
	}
	return true
}

// percent writes a bound as given.
func percent(bound float64) string { return fmt.Sprintf("%.4g %%", 100*bound) }

// besideBand says whether a share is above, below or in the band between low
// and high.
func besideBand(share, low, high float64) string {
	switch {
	case share > high:
		return "above " + percent(high)
	case share < low:
		return "below " + percent(low)
	}
	return "between " + percent(low) + " and " + percent(high)
}

// lasting says how much of its required time a level has lasted.
func lasting(lasted, must time.Duration) string {
	if lasted >= must {
		return must.String()
	}
	return below(lasted, must) + " of " + must.String()
}

// when describes a peak and its time.
func (t *turn) when(p Peak) string {
	ago := t.o.Now.Sub(p.At).Round(time.Second)
	switch {
	case p.At == t.s.Started:
		return fmt.Sprintf("%s running when the scaler started %v ago", count(p.N, "was", "were"), ago)
	case p.Near:
		return fmt.Sprintf("nearly %s needed %v ago", count(p.N, "was", "were"), ago)
	}
	return fmt.Sprintf("%s needed %v ago", count(p.N, "was", "were"), ago)
}

// below writes a time below a bound without rounding it onto the bound.
func below(d, bound time.Duration) string {
	return beside(d, func(r time.Duration) bool { return r < bound })
}

// above writes a time above a bound without rounding it onto the bound.
func above(d, bound time.Duration) string {
	return beside(d, func(r time.Duration) bool { return r > bound })
}

// beside writes a time in whole seconds, or as precisely as the condition
// needs.
func beside(d time.Duration, reads func(time.Duration) bool) string {
	r := d.String()
	for _, unit := range [...]time.Duration{time.Millisecond, time.Second} {
		if reads(d.Round(unit)) {
			r = d.Round(unit).String()
		}
	}
	return r
}
