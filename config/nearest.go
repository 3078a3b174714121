package config

import "strings"

// Nearest is the candidate that text probably meant; "" if none.
func Nearest(text string, candidates []string) string { return nearest(text, candidates) }

// nearest returns the candidate that text probably meant, or "". At most a
// third of the letters may differ; the first of equals wins.
func nearest(text string, candidates []string) string {
	best, bestDistance := "", len(text)/3+1
	if len(text) > 100 {
		return ""
	}
	for _, c := range candidates {
		if d := distance(fold(text), fold(c)); d < bestDistance || d == 0 {
			best, bestDistance = c, d
		}
	}
	return best
}

// fold removes differences without meaning.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to make a into b (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last = last, next
	}
	return last[len(b)]
}
