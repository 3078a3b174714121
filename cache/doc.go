// Package cache decides about stored answers: which requests have one (the key), which
// may have one (the rules), how long it is fresh, and which of several callers that want
// the same answer asks the model (the flight).
//
// It owns the canonical form of a request body (RFC 8785), its normalisation, the
// request's Cache-Control and the answer's Cache-Status (RFC 9211), and generations, by
// which entries are purged. It stores nothing, and knows neither callers nor
// upstreams: package gateway asks it, and the folders below keep the entries. Time is an
// argument, so the rules are tested without a clock.
//
// The key is made of the whole body less a short list of members that do not change the
// answer, never of a list of members that do: a new member then makes
// two entries, and not one wrong answer.
package cache
