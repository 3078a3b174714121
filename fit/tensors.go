package fit

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// safetensor is one entry of a safetensors header.
type safetensor struct {
	DType   string    `json:"dtype"`
	Shape   []int64   `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// ParseSafetensors reads the header of a safetensors file: eight bytes of
// length, then that much JSON. data is the file, or at least its header. Add
// sums several files of one model.
func ParseSafetensors(data []byte) (Stored, error) {
	if len(data) < 8 {
		return Stored{}, fmt.Errorf("%w: safetensors: %d bytes are not a header", ErrFile, len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > MaxConfig {
		return Stored{}, fmt.Errorf("%w: safetensors: header of %d bytes, the limit is %d", ErrFile, n, MaxConfig)
	}
	if uint64(len(data)-8) < n {
		return Stored{}, fmt.Errorf("%w: safetensors: header of %d bytes is truncated after %d", ErrFile, n, len(data)-8)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		return Stored{}, fmt.Errorf("%w: safetensors: %w", ErrFile, err)
	}
	var out Stored
	for name, text := range header { // sums do not depend on the order
		if name == "__metadata__" {
			continue
		}
		var t safetensor
		if err := json.Unmarshal(text, &t); err != nil {
			return Stored{}, fmt.Errorf("%w: safetensors: tensor %.60q: %w", ErrFile, name, err)
		}
		if t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > 1<<46 {
			return Stored{}, fmt.Errorf("%w: safetensors: tensor %.60q lies at %d to %d", ErrFile, name, t.Offsets[0], t.Offsets[1])
		}
		if err := out.put(name, len(t.Shape), int64(t.Offsets[1]-t.Offsets[0])); err != nil {
			return Stored{}, err
		}
	}
	return out, nil
}

// ParseIndex reads the total bytes of all files from
// model.safetensors.index.json.
func ParseIndex(data []byte) (int64, error) {
	if len(data) > MaxConfig {
		return 0, fmt.Errorf("%w: index of %d bytes, the limit is %d", ErrFile, len(data), MaxConfig)
	}
	var index struct {
		Metadata struct {
			Total float64 `json:"total_size"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return 0, fmt.Errorf("%w: index: %w", ErrFile, err)
	}
	total := index.Metadata.Total
	if !(total > 0 && total < 1<<50) || total != math.Trunc(total) {
		return 0, fmt.Errorf("%w: index: metadata.total_size is %v, must be the bytes of all files", ErrFile, total)
	}
	return int64(total), nil
}

// put adds a tensor under the kind its name indicates.
func (s *Stored) put(name string, dims int, bytes int64) error {
	if bytes < 0 || s.Total() > 1<<50-bytes {
		return fmt.Errorf("%w: tensors above 1 PiB", ErrFile)
	}
	low := strings.ToLower(name)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(low, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("vision", "visual", "vit.", "mm_projector", "multi_modal", "v.blk", "mm."):
		s.Vision += bytes
	case has("embed_tokens", "token_embd", "wte.", "word_embeddings", "tok_embeddings"):
		s.Embed += bytes
	case has("lm_head") || strings.HasPrefix(low, "output."):
		s.Head += bytes
	case has(".experts.", "_exps"):
		s.Experts += bytes
	case dims <= 1 || has("norm"):
		s.Small += bytes
	default:
		s.Linear += bytes
	}
	return nil
}

// Add sums several files of one model.
func (s Stored) Add(o Stored) (Stored, error) {
	if s.Total() > 1<<50-o.Total() {
		return s, fmt.Errorf("%w: tensors above 1 PiB", ErrFile)
	}
	return Stored{s.Linear + o.Linear, s.Experts + o.Experts, s.Embed + o.Embed, s.Head + o.Head, s.Vision + o.Vision, s.Small + o.Small}, nil
}

// Measured sets the total bytes of the model's files: tables, norms and tower
// keep the size from the shape, the rest is linear layers. Experts keep their
// share.
func (m *Model) Measured(total int64) error {
	if err := m.validate(); err != nil {
		return err
	}
	p, q := m.count(), m.Native()
	s := Stored{Embed: bytesOf(p.embed, q.Table), Head: bytesOf(p.head, q.head()), Vision: bytesOf(p.vision, 16), Small: bytesOf(p.small, 16)}
	rest := total - s.Total()
	if rest <= 0 {
		return fmt.Errorf("%w: the files hold %d bytes, less than the tables of %s alone (%d): is it the index of another model?", ErrFile, total, m.Name, s.Total())
	}
	if all := p.linear + p.kv + p.latent + p.experts; p.experts > 0 && all > 0 {
		s.Experts = int64(float64(rest) * float64(p.experts) / float64(all))
	}
	s.Linear = rest - s.Experts
	m.Stored = &s
	return nil
}
