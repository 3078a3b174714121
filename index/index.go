// Package index keeps a store of vectors equal to a collection of documents: it embeds
// what is new or has changed, and removes what is gone.
//
// It owns what a document and a chunk are, which of them are embedded again, and in which
// order things are written, so that a run that is killed can be run again. It refuses to
// know how a store keeps vectors (Store), who embeds (Embedder), and how text is cut
// (package chunk).
//
// The vectors of one model, version and way of cutting are a space. Vectors of two spaces
// are never compared. A run with another model fills a new space beside the one that is
// searched, and then puts it in its place.
package index

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"weir/index/chunk"
)

// Document is one text of a collection.
type Document struct {
	ID         string // unique in the collection, as its path
	Text       string
	Kind       chunk.Kind
	Attributes map[string]any // texts, numbers and booleans, for filters
}

// Corpus gives the documents of a collection, each once and always in the same order, to
// each. It stops at the first error.
type Corpus interface {
	Walk(ctx context.Context, each func(Document) error) error
}

// Space says which vectors can be compared.
type Space struct {
	Model   string // as Weir serves it
	Version string // of the model, as the operator names it
	Chunks  string // how documents are cut: chunk.Options.String
}

// dimensionsWord is how the version says that vectors are shorter than the model's own.
const dimensionsWord = "dimensions="

// Dimensions are those that requests of the space ask for; 0: the model's own.
func (s Space) Dimensions() int {
	_, n, _ := strings.Cut(s.Version, dimensionsWord)
	dims, _ := strconv.Atoi(n)
	return dims
}

// WithDimensions is the space of shorter vectors.
func (s Space) WithDimensions(n int) Space {
	if n > 0 {
		s.Version = strings.TrimSpace(s.Version + " " + dimensionsWord + strconv.Itoa(n))
	}
	return s
}

// Chunk is a stored part of a document.
type Chunk struct {
	Hash       string // of the text that was embedded
	Start, End int    // in the document, in bytes
	Heading    string
	Text       string
	Vector     []float32 // of length 1
}

// Stored is a document in a store.
type Stored struct {
	ID         string
	Hash       string // of text, kind and attributes
	Attributes map[string]any
	Chunks     []Chunk
}

// Store keeps the documents of one index. Writes are whole or not at all, also for a
// process that is killed. One process writes at a time; any number may search.
type Store interface {
	// Open returns the number of a space, and makes it if it is not there.
	Open(ctx context.Context, s Space) (space int64, err error)
	// Documents are the hashes of the documents in a space, by their IDs.
	Documents(ctx context.Context, space int64) (map[string]string, error)
	// Vectors are those that chunks of the space have, by their hashes.
	Vectors(ctx context.Context, space int64, hashes []string) (map[string][]float32, error)
	// Put replaces documents with all their chunks.
	Put(ctx context.Context, space int64, docs []Stored) error
	// Delete removes documents.
	Delete(ctx context.Context, space int64, ids []string) error
	// Publish makes a space the one that is searched, and drops all others.
	Publish(ctx context.Context, space int64) error
	// Live is the space that is searched; ErrEmpty: none has been published.
	Live(ctx context.Context) (Space, error)
	// Search returns the nearest chunks of the space that is searched, the nearest first.
	Search(ctx context.Context, q Query) ([]Hit, error)
	Close() error
}

// ErrEmpty says that an index has not been filled yet.
var ErrEmpty = errors.New("the index is empty: fill it with `weir index build`")

// ErrSwapped says that the vectors of Query.Space are no longer those that are searched.
var ErrSwapped = errors.New("the index was replaced by one of another model while it was asked: ask again")

// Query asks for the chunks nearest to a vector.
type Query struct {
	Vector []float32
	Space  Space   // that the vector is of; the zero value: the one that is searched
	Most   int     // chunks; 0: 10
	Least  float32 // cosine of a hit; 0: any
	Filter *Filter // nil: all documents
}

// Limit is how many hits are wanted.
func (q *Query) Limit() int {
	if q.Most <= 0 {
		return 10
	}
	return min(q.Most, MostHits)
}

// MostHits bounds Query.Most, as OpenAI does.
const MostHits = 50

// Hit is a chunk that was found.
type Hit struct {
	Document   string         `json:"document"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Start      int            `json:"start"` // in the document, in bytes
	End        int            `json:"end"`
	Heading    string         `json:"heading,omitempty"`
	Text       string         `json:"text"`
	Score      float32        `json:"score"` // cosine
}

// Sort sorts hits, the nearest first. Equal ones keep one order in every store.
func Sort(hits []Hit) {
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Document, b.Document), cmp.Compare(a.Start, b.Start))
	})
}
