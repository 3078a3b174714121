package cheaper

import (
	"math"

	"weir"
)

// Pair is one request that both models have answered.
type Pair struct {
	Judged       Reason  // of the smaller model's answer, without MinConfidence
	Confidence   float64 // of that answer
	Agree        bool    // it says what the larger model's says
	Large, Small weir.Money
}

// Choice is a way to send requests to the smaller model, with what pairs say of it.
type Choice struct {
	How           How
	MinConfidence float64
	Requests      int        // pairs
	Moved         int        // of them, answered by the smaller model
	Agreed        int        // of those, with answers that agree
	Least         float64    // a bound below which the share that agrees is not, see Choices
	Before, After weir.Money // cost of all pairs: of the larger model alone, and so
}

// bounds are the values of MinConfidence that are compared; 0 is a cascade without.
var bounds = [...]float64{0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99}

// Choices says what the pairs mean for each way. level is the probability, about, with
// which all of Least hold together: so one may be picked by its figures. confidence says
// whether probabilities are told.
func Choices(pairs []Pair, level float64, confidence bool) []Choice {
	ways := []Choice{{How: Moved}}
	for _, b := range bounds {
		if b == 0 || confidence {
			ways = append(ways, Choice{How: Cascaded, MinConfidence: b})
		}
	}
	z := normalQuantile(1 - (1-level)/float64(len(ways)))
	for i := range ways {
		w := &ways[i]
		for k := range pairs {
			w.add(&pairs[k])
		}
		w.Least, _ = Wilson(w.Agreed, w.Moved, z)
	}
	return ways
}

func (w *Choice) add(p *Pair) {
	w.Requests++
	w.Before += p.Large
	w.After += p.Small
	if w.How == Cascaded && (p.Judged != "" || p.Confidence < w.MinConfidence) {
		w.After += p.Large
		return
	}
	w.Moved++
	if p.Agree {
		w.Agreed++
	}
}

// Best is the way that saves most of those whose answers agree at least so often, of equal
// ones the strictest; false if none saves anything.
func Best(ways []Choice, quality float64) (best Choice, ok bool) {
	for _, w := range ways {
		if w.Least >= quality && w.Moved > 0 && w.Before > w.After && w.Before-w.After >= best.Before-best.After {
			best, ok = w, true
		}
	}
	return best, ok
}

// Wilson is the score interval of a share of which k of n were seen, z standard deviations
// to each side (Wilson, "Probable inference", 1927). Of none, it is 0 to 1.
func Wilson(k, n int, z float64) (least, most float64) {
	if n == 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(middle-half, 0), min(middle+half, 1)
}

// Sides is z for an interval that holds the share with this probability.
func Sides(level float64) float64 { return normalQuantile((1 + level) / 2) }

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
