package scale

import "math"

// Speed is a replica's throughput at one length, within the SLO.
type Speed struct {
	Tokens  int     `json:"tokens"`
	Prefill float64 `json:"prefill"` // tokens per second of nothing but prompts of that length
	Decode  float64 `json:"decode"`  // tokens per second of nothing but answers, with that many tokens in the context of each
}

const (
	maxSpeeds   = 32
	usualPrompt = 1000 // the lengths assumed before requests have shown theirs
	usualOutput = 200
	usualWeight = 20.0 // requests that the assumption counts for
)

// capacity is the throughput on requests of the lengths that arrive: Capacity,
// or, where Speeds are given, that of the mean prompt and the mean answer. The
// lengths are learned within some dozen requests and followed from then on.
func (p *Policy) capacity(a *Answers) Capacity {
	if len(p.Speeds) == 0 {
		return p.Capacity
	}
	prompt := (usualWeight*usualPrompt + a.Prompt) / (usualWeight + a.Arrived)
	output := (usualWeight*usualOutput + a.Real) / (usualWeight + a.Done)
	return Capacity{
		Prefill: p.speedAt(prompt, func(s *Speed) float64 { return s.Prefill }),
		Decode:  p.speedAt(prompt+output/2, func(s *Speed) float64 { return s.Decode }),
	}
}

// speedAt interpolates between the lengths on both sides, by the logarithm of
// the length. Beyond the ends it is the end's.
func (p *Policy) speedAt(tokens float64, of func(*Speed) float64) float64 {
	s := p.Speeds
	for i := 1; i < len(s); i++ {
		if low, high := float64(s[i-1].Tokens), float64(s[i].Tokens); tokens < high {
			part := math.Log(max(tokens, low)/low) / math.Log(high/low)
			return of(&s[i-1]) + part*(of(&s[i])-of(&s[i-1]))
		}
	}
	return of(&s[len(s)-1])
}
