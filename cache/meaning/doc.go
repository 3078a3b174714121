// Package meaning decides whether a request may get the stored answer of another one that
// asks the same in other words.
//
// It owns which requests may be compared at all (the circle, and the guard in it), which
// stored prompt is the nearest by its vector, and whether there is enough evidence that an
// answer at that distance is right: counts of right and wrong answers, per stored prompt
// and for all prompts of a tenant and model, with an upper bound of the error that holds
// however often it is looked at. It refuses to know models, vectors' origin, answers and
// callers: package gateway embeds, asks, compares and tells it what came of it.
//
// The idea is that of vCache (Schroeder et al., arXiv 2502.03771): the operator gives an
// error rate, not a threshold of similarity, and some requests ask the model all the same,
// to learn. Where it differs is in docs/decisions/0045-answers-by-meaning.md.
package meaning
