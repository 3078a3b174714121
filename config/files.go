package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// MaxBytes bounds all files of a configuration together: some 50,000 tenants.
const MaxBytes = 16 << 20

// A Source is one file of a configuration.
type Source struct {
	Name string // its name in faults
	Text []byte
}

// Sources reads the configuration at path: a file, or a folder whose files
// *.yaml and *.yml are one configuration together, in order of their names.
func Sources(path string) ([]Source, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("configuration file %s does not exist: name one with -c, such as examples/weir.yaml; weir serve without -c needs none", path)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	names := []string{path}
	if info.IsDir() {
		if names, err = yamlFiles(path); err != nil {
			return nil, err
		}
	}
	var all []Source
	left := int64(MaxBytes)
	for _, name := range names {
		s, err := readSource(name, left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(s.Text))
		all = append(all, s)
	}
	return all, nil
}

func readSource(name string, left int64) (Source, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > left {
		return Source{}, fmt.Errorf("configuration file %s has %d bytes: a configuration has at most %d in all its files together", name, info.Size(), MaxBytes)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return Source{}, fmt.Errorf("configuration file: %w", err)
	}
	return Source{name, text}, nil
}

// hashOf identifies a configuration.
func hashOf(all []Source) string {
	h := sha256.New()
	for _, s := range all {
		fmt.Fprintf(h, "%d ", len(s.Text))
		h.Write(s.Text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// yamlFiles are the configuration files of a folder. Names that begin with a
// dot are left out: editors and mounted volumes keep their own files there.
func yamlFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("configuration folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		ext := filepath.Ext(name)
		if strings.HasPrefix(e.Name(), ".") || ext != ".yaml" && ext != ".yml" {
			continue
		}
		if info, err := os.Stat(name); err == nil && !info.IsDir() {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("configuration folder %s has no .yaml or .yml file: put weir.yaml there, or name a file", dir)
	}
	return names, nil
}

// source is the start of one file's lines among those of all files.
type source struct {
	name  string
	lines int // of the files before it
}

// merged parses all files and merges them: lists are joined; any other key may
// be in one file only.
func (d *decoder) merged(all []Source) (ast.Node, bool) {
	var bodies []ast.Node
	good := true
	d.several = len(all) > 1
	for _, s := range all {
		d.files = append(d.files, source{s.Name, len(d.lines)})
		body, ok := d.parse(s.Text)
		good = good && ok
		if body != nil {
			bodies = append(bodies, body)
		}
	}
	switch {
	case !good:
		return nil, false
	case len(bodies) == 0:
		d.faultAt(position{1, 1}, "", "the files are empty", "they need at least tenants and models: see examples/weir.yaml")
		return nil, false
	case len(bodies) == 1:
		return bodies[0], true
	}
	root := &ast.MappingNode{BaseNode: &ast.BaseNode{}}
	for _, body := range bodies {
		entries, ok := entriesOf(body)
		if !ok {
			d.fault(body, "", "must be a mapping of keys to values, not "+describe(body), "each file of a folder has the same top-level keys as a single weir.yaml")
			return nil, false
		}
		root.Values = d.join(root.Values, entries)
	}
	return root, true
}

// join adds the entries of a file to those of the files before it.
func (d *decoder) join(have, more []*ast.MappingValueNode) []*ast.MappingValueNode {
	before := len(have)
	for _, e := range more {
		key, _ := keyOf(e)
		list, isList := e.Value.(*ast.SequenceNode)
		i := slices.IndexFunc(have[:before], func(h *ast.MappingValueNode) bool {
			known, _ := keyOf(h)
			_, listed := h.Value.(*ast.SequenceNode)
			return known == key && listed
		})
		if i < 0 || !isList {
			have = append(have, e)
			continue
		}
		whole := *have[i].Value.(*ast.SequenceNode)
		whole.Values = append(slices.Clip(whole.Values), list.Values...)
		both := *have[i]
		both.Value = &whole
		have[i] = &both
	}
	return have
}

// base is the number of lines in the files before the current one.
func (d *decoder) base() int {
	if len(d.files) == 0 {
		return 0
	}
	return d.files[len(d.files)-1].lines
}

// shift adds the lines of the earlier files to the current file's tokens.
func (d *decoder) shift(tokens token.Tokens) {
	by := d.base()
	if by == 0 {
		return
	}
	done := map[*token.Position]bool{}
	for _, t := range tokens {
		if t.Position != nil && !done[t.Position] {
			done[t.Position] = true
			t.Position.Line += by
		}
	}
}

// fileOf is the file a line is in, and its number there.
func (d *decoder) fileOf(line int) (string, int) {
	for i := len(d.files) - 1; i >= 0; i-- {
		if f := d.files[i]; line > f.lines {
			return f.name, line - f.lines
		}
	}
	return d.file, line
}

// where describes a line, with its file if there are several.
func (d *decoder) where(line int) string {
	name, at := d.fileOf(line)
	if d.several {
		return fmt.Sprintf("line %d of %s", at, name)
	}
	return fmt.Sprintf("line %d", at)
}
