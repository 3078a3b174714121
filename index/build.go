package index

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"weir/index/chunk"
	"weir/index/nearest"
)

// Embedder makes vectors of texts, one for each, in order.
type Embedder interface {
	Embed(ctx context.Context, texts []string) (vectors [][]float32, used Used, err error)
}

// Used is what a request for embeddings took.
type Used struct {
	Tokens int64 // billed
	Saved  int64 // of texts that Weir had stored
}

// Build is one run. Zero values mean the defaults named.
type Build struct {
	Corpus   Corpus
	Store    Store
	Embedder Embedder
	Space    Space // Chunks is set by the run
	Chunks   chunk.Options
	Batch    int  // chunks of one request; 0: 128
	Dry      bool // counts, and writes and embeds nothing
	// Each is told the progress after each batch. nil: it is not called.
	Each func(Report)
}

// Report is what a run did, or would do.
type Report struct {
	Documents int   `json:"documents"` // in the collection
	Changed   int   `json:"changed"`   // new, or with other text or attributes
	Deleted   int   `json:"deleted"`
	Chunks    int   `json:"chunks"`    // of the changed documents
	Embedded  int   `json:"embedded"`  // of them: the rest have vectors already
	Estimated int64 `json:"estimated"` // tokens of those embedded
	Tokens    int64 `json:"tokens"`    // billed
	Saved     int64 `json:"saved"`     // tokens of texts that Weir had stored
	Whole     bool  `json:"whole"`     // every document is embedded, for the space is new
	Dry       bool  `json:"dry,omitempty"`
}

// MaxDocuments bounds a collection: the IDs of all its documents are in memory.
const MaxDocuments = 5_000_000

// maxPending bounds the changed documents that wait to be written, in bytes of text: beyond
// it they are written.
const maxPending = 32 << 20

// run is the state of a Build.
type run struct {
	*Build
	space  int64
	have   map[string]string // hashes of the documents that are stored
	seen   map[string]bool
	report Report

	pending []Stored
	texts   map[string]string // by hash, of the chunks that have no vector yet
	order   []string          // their hashes
	bytes   int
	known   map[string]bool // of a dry run
}

// Run brings the store up to date. A run that ends early, in whatever way, leaves a store
// that can be searched, and from which the next run goes on.
func (b *Build) Run(ctx context.Context) (Report, error) {
	b.Space.Chunks = b.Chunks.String()
	r := &run{Build: b, seen: map[string]bool{}, texts: map[string]string{}, known: map[string]bool{}}
	r.report.Dry = b.Dry
	live, err := b.Store.Live(ctx)
	if err != nil && err != ErrEmpty {
		return r.report, err
	}
	r.report.Whole = err == ErrEmpty || live != b.Space
	if !b.Dry || !r.report.Whole {
		if r.space, err = b.Store.Open(ctx, b.Space); err != nil {
			return r.report, err
		}
		if r.have, err = b.Store.Documents(ctx, r.space); err != nil {
			return r.report, err
		}
	}
	if err := b.Corpus.Walk(ctx, func(d Document) error { return r.add(ctx, d) }); err != nil {
		return r.report, err
	}
	if err := r.flush(ctx); err != nil {
		return r.report, err
	}
	return r.report, r.finish(ctx)
}

// finish removes what is gone, and lets the space be searched.
func (r *run) finish(ctx context.Context) error {
	var gone []string
	for id := range r.have {
		if !r.seen[id] {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	r.report.Deleted = len(gone)
	if r.Dry {
		return nil
	}
	if len(gone) > 0 {
		if err := r.Store.Delete(ctx, r.space, gone); err != nil {
			return err
		}
	}
	return r.Store.Publish(ctx, r.space)
}

func (r *run) batch() int { return cmp.Or(r.Batch, 128) }

// add takes one document of the collection.
func (r *run) add(ctx context.Context, d Document) error {
	if r.seen[d.ID] {
		return fmt.Errorf("the collection has two documents named %q: names must be unique", d.ID)
	}
	if len(r.seen) == MaxDocuments {
		return fmt.Errorf("the collection has more than %d documents, the most of one index: split it", MaxDocuments)
	}
	r.seen[d.ID] = true
	r.report.Documents++
	hash, err := hashOf(&d)
	if err != nil {
		return fmt.Errorf("document %q: %w", d.ID, err)
	}
	if r.have[d.ID] == hash {
		return nil
	}
	s := Stored{ID: d.ID, Hash: hash, Attributes: d.Attributes}
	for _, c := range chunk.Split(d.Kind, d.Text, r.Chunks) {
		text := c.Embedded()
		sum := sha256.Sum256([]byte(text))
		h := hex.EncodeToString(sum[:])
		s.Chunks = append(s.Chunks, Chunk{Hash: h, Start: c.Start, End: c.End, Heading: c.Heading, Text: c.Text})
		if _, waits := r.texts[h]; !waits && !r.known[h] {
			r.texts[h] = text
			r.order = append(r.order, h)
		}
	}
	r.report.Changed++
	r.report.Chunks += len(s.Chunks)
	r.pending = append(r.pending, s)
	if r.bytes += len(d.Text); len(r.order) < r.batch() && r.bytes < maxPending {
		return nil
	}
	return r.flush(ctx)
}

// hashOf is the hash of everything that is stored of a document.
func hashOf(d *Document) (string, error) {
	attributes, err := json.Marshal(d.Attributes) // in the order of names
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %d ", d.Kind, len(attributes))
	h.Write(attributes)
	h.Write([]byte(d.Text))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// flush embeds and writes what is pending.
func (r *run) flush(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	vectors := map[string][]float32{}
	var err error
	if !r.Dry || !r.report.Whole {
		if vectors, err = r.Store.Vectors(ctx, r.space, r.order); err != nil {
			return err
		}
	}
	var ask []string
	for _, h := range r.order {
		if vectors[h] == nil {
			ask = append(ask, h)
			r.report.Estimated += int64(chunk.Tokens(r.texts[h]))
		}
		if r.Dry {
			r.known[h] = true
		}
	}
	r.report.Embedded += len(ask)
	if !r.Dry {
		if err := r.embed(ctx, ask, vectors); err != nil {
			return err
		}
		if err := r.write(ctx, vectors); err != nil {
			return err
		}
	}
	r.pending, r.order, r.bytes = r.pending[:0], r.order[:0], 0
	clear(r.texts)
	if r.Each != nil {
		r.Each(r.report)
	}
	return nil
}

// embed asks for the vectors of chunks, some at a time.
func (r *run) embed(ctx context.Context, ask []string, into map[string][]float32) error {
	for part := range slices.Chunk(ask, r.batch()) {
		texts := make([]string, len(part))
		for i, h := range part {
			texts[i] = r.texts[h]
		}
		got, used, err := r.Embedder.Embed(ctx, texts)
		if err != nil {
			return err
		}
		r.report.Tokens += used.Tokens
		r.report.Saved += used.Saved
		if len(got) != len(part) {
			return fmt.Errorf("the model gave %d vectors for %d texts", len(got), len(part))
		}
		for i, h := range part {
			into[h] = nearest.Unit(got[i])
		}
	}
	return nil
}

func (r *run) write(ctx context.Context, vectors map[string][]float32) error {
	for i := range r.pending {
		for k := range r.pending[i].Chunks {
			c := &r.pending[i].Chunks[k]
			c.Vector = vectors[c.Hash]
		}
	}
	return r.Store.Put(ctx, r.space, r.pending)
}
