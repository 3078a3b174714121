package price

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds a price file; the largest embedded one is a twentieth of it.
const maxFile = 4 << 20

// file is the content of a price file; every section is optional.
type file struct {
	Sources   map[string]*Source `yaml:"sources"`
	Regions   []Region           `yaml:"regions"`
	GPUs      []GPU              `yaml:"gpus"`
	VMs       []VM               `yaml:"vms"`
	VMPrices  []VMPrice          `yaml:"vm_prices"`
	Models    []Model            `yaml:"models"`
	Tokens    []Tokens           `yaml:"tokens"`
	PTUs      []PTU              `yaml:"ptus"`
	PTUPrices []PTUPrice         `yaml:"ptu_prices"`
	Meters    []Meter            `yaml:"meters"`

	Services           []Service           `yaml:"services"`
	OnlineEndpoints    []OnlineEndpoint    `yaml:"online_endpoints"`
	BatchEndpoints     []BatchEndpoint     `yaml:"batch_endpoints"`
	ContainerInstances []ContainerInstance `yaml:"container_instances"`
	Redis              []Redis             `yaml:"redis"`
	RedisSizes         []RedisSize         `yaml:"redis_sizes"`
}

// given are the fields that an entry of the file has. Only known entries need
// them, so the file is read for it only then.
type given struct {
	text []byte
	raw  map[string][]map[string]any
}

// fields of the nth entry of a section.
func (g *given) fields(section string, n int) (map[string]any, error) {
	if g.raw == nil {
		var all map[string]any
		if err := yaml.Unmarshal(g.text, &all); err != nil {
			return nil, err
		}
		g.raw = map[string][]map[string]any{}
		for name, entries := range all {
			list, _ := entries.([]any)
			for _, e := range list {
				fields, _ := e.(map[string]any)
				g.raw[name] = append(g.raw[name], fields)
			}
		}
	}
	if n >= len(g.raw[section]) {
		return nil, fmt.Errorf("%s: entry %d cannot be read", section, n+1)
	}
	return g.raw[section][n], nil
}

// Override returns the catalogue with the entries of a price file added. An
// entry with a known name replaces the fields it gives and keeps the others,
// each with its own source. name is the file's, for errors. Unknown keys,
// unnamed sources and invalid dates are errors; every entry has a source from
// its own file or an earlier one.
func (c *Catalogue) Override(name string, text []byte) (*Catalogue, error) {
	next, err := c.override(text)
	if err != nil {
		return nil, fmt.Errorf("price: %s: %w", name, err)
	}
	return next, nil
}

func (c *Catalogue) override(text []byte) (*Catalogue, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%d bytes are more than the %d a price file may have", len(text), maxFile)
	}
	if err := plain(text); err != nil {
		return nil, err
	}
	var f file
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return nil, err
	}
	g := &given{text: text}
	next := *c
	next.sources = maps.Clone(c.sources)
	if next.sources == nil {
		next.sources = map[string]*Source{}
	}
	if err := next.addSources(f.Sources); err != nil {
		return nil, err
	}
	return &next, errors.Join(
		merge(&next.regions, f.Regions, g, "regions", "region", next.sources),
		merge(&next.gpus, f.GPUs, g, "gpus", "GPU", next.sources),
		merge(&next.vms, f.VMs, g, "vms", "VM size", next.sources),
		merge(&next.vmPrices, f.VMPrices, g, "vm_prices", "VM size", next.sources),
		merge(&next.models, f.Models, g, "models", "model", next.sources),
		merge(&next.tokens, f.Tokens, g, "tokens", "model", next.sources),
		merge(&next.ptus, f.PTUs, g, "ptus", "PTU of", next.sources),
		merge(&next.ptuPrices, f.PTUPrices, g, "ptu_prices", "PTU of", next.sources),
		merge(&next.meters, f.Meters, g, "meters", "meter", next.sources),
		merge(&next.services, f.Services, g, "services", "service", next.sources),
		merge(&next.onlineEndpoints, f.OnlineEndpoints, g, "online_endpoints", "online endpoint", next.sources),
		merge(&next.batchEndpoints, f.BatchEndpoints, g, "batch_endpoints", "batch endpoint", next.sources),
		merge(&next.containerInstances, f.ContainerInstances, g, "container_instances", "container instance", next.sources),
		merge(&next.redis, f.Redis, g, "redis", "Redis", next.sources),
		merge(&next.redisSizes, f.RedisSizes, g, "redis_sizes", "Redis size", next.sources),
	)
}

// plain refuses features that no price file needs and that a hostile one could
// use to exhaust memory: deep nesting, and aliases, which make a small file a
// large one.
func plain(text []byte) error {
	const deepest = 8
	depth := 0
	for _, t := range lexer.Tokenize(string(text)) {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType:
			return fmt.Errorf("line %d: anchors, aliases and tags have no place in a price file", t.Position.Line)
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		}
		if depth > deepest || t.Position.IndentNum > 4*deepest {
			return fmt.Errorf("line %d: nested deeper than %d levels", t.Position.Line, deepest)
		}
	}
	return nil
}

func (c *Catalogue) addSources(given map[string]*Source) error {
	for _, id := range slices.Sorted(maps.Keys(given)) {
		s := given[id]
		if s == nil || s.What == "" {
			return fmt.Errorf("source %s: it needs a \"what\": its publisher", id)
		}
		if s.Date != "" {
			if _, err := parseDate(s.Date); err != nil {
				return fmt.Errorf("source %s: date %q is not a date: write 2026-09-23, or 2026-09", id, s.Date)
			}
		}
		s.ID = id
		c.sources[id] = s
	}
	return nil
}

// entry is a pointer to an entry of the catalogue.
type entry[T any] interface {
	*T
	keys() []string // the first is the entry's own; the others find it too
}

// merge adds entries to a table, copying it first: catalogues share tables.
func merge[T any, E entry[T]](t *table[T], add []T, g *given, section, what string, sources map[string]*Source) error {
	if len(add) == 0 {
		return nil
	}
	next := table[T]{list: slices.Clone(t.list), at: maps.Clone(t.at)}
	if next.at == nil {
		next.at = map[string]int{}
	}
	seen := map[string]bool{}
	for i := range add {
		e := E(&add[i])
		own := strings.ToLower(e.keys()[0])
		if strings.Trim(own, separator) == "" {
			return fmt.Errorf("%s: entry %d has no name", section, i+1)
		}
		if seen[own] {
			return fmt.Errorf("%s: %s is listed twice", section, strings.ReplaceAll(e.keys()[0], separator, " "))
		}
		seen[own] = true
		label := what + " " + strings.ReplaceAll(e.keys()[0], separator, " ")
		if err := attribute(reflect.ValueOf(e).Elem(), label, sources); err != nil {
			return err
		}
		at, known := next.at[own]
		if known {
			fields, err := g.fields(section, i)
			if err != nil {
				return err
			}
			copyGiven(reflect.ValueOf(&next.list[at]).Elem(), reflect.ValueOf(e).Elem(), fields)
		} else {
			at = len(next.list)
			next.list = append(next.list, add[i])
		}
		for _, k := range E(&next.list[at]).keys() {
			if other, taken := next.at[strings.ToLower(k)]; taken && other != at {
				return fmt.Errorf("%s: the name %s belongs to another entry already", label, k)
			}
			next.at[strings.ToLower(k)] = at
		}
	}
	*t = next
	return nil
}

// attribute gives every figure of an entry its name and its source.
func attribute(v reflect.Value, label string, sources map[string]*Source) error {
	own := v.FieldByName("Source").String()
	if sources[own] == nil {
		return fmt.Errorf("%s: source %q is not under sources: add it there, with its publisher and date", label, own)
	}
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if err := check(v.Field(i), tag+" of "+label); err != nil {
			return err
		}
		f, ok := v.Field(i).Addr().Interface().(interface {
			attribute(name, source string, sources map[string]*Source) error
		})
		if !ok {
			continue
		}
		if err := f.attribute(tag+" of "+label, own, sources); err != nil {
			return err
		}
	}
	return nil
}

// maxCount bounds the counts of an entry: sizes computed from them do not
// overflow unnoticed.
const maxCount = 1 << 40

// check refuses impossible counts and words.
func check(f reflect.Value, name string) error {
	if word, ok := f.Interface().(interface{ valid() bool }); ok && !f.IsZero() && !word.valid() {
		return fmt.Errorf("%s: %q is not a known value", name, f.Interface())
	}
	n := 0.0
	switch f.Kind() {
	case reflect.Int, reflect.Int64:
		n = float64(f.Int())
	case reflect.Float64:
		n = f.Float()
	}
	if s, ok := f.Interface().(Steps); ok {
		n = float64(min(s.Minimum, s.Increment))
	}
	if !(n >= 0 && n <= maxCount) {
		return fmt.Errorf("%s is %v: it must be from 0 to %d", name, n, int64(maxCount))
	}
	return nil
}

// copyGiven copies the fields the file names.
func copyGiven(to, from reflect.Value, given map[string]any) {
	for i := range to.NumField() {
		tag, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("yaml"), ",")
		if _, ok := given[tag]; ok {
			to.Field(i).Set(from.Field(i))
		}
	}
}
