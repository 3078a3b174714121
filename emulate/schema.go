package emulate

import (
	"encoding/json"
	"strings"
)

// inventor makes values for a JSON schema, with the usual features of tools and
// answer formats: types, properties, enums, references to definitions.
type inventor struct {
	defs map[string]json.RawMessage // targets of {"$ref":"#/$defs/name"}
}

type schema struct {
	Type       any                        `json:"type"`
	Enum       []any                      `json:"enum"`
	Const      any                        `json:"const"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Items      json.RawMessage            `json:"items"`
	AnyOf      []json.RawMessage          `json:"anyOf"`
	Ref        string                     `json:"$ref"`
	Defs       map[string]json.RawMessage `json:"$defs"`
}

// Schemas may nest endlessly, through references to themselves.
const (
	maxDepth    = 8
	maxRequired = 64
)

// invent makes a value for a schema; equal hashes make equal values.
func invent(raw json.RawMessage, hash uint64) any {
	var s schema
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	in := inventor{s.Defs}
	return in.value(raw, hash, maxDepth)
}

func (in *inventor) value(raw json.RawMessage, hash uint64, depth int) any {
	var s schema
	if depth <= 0 || json.Unmarshal(raw, &s) != nil {
		return nil
	}
	kind := s.kind()
	switch {
	case s.Ref != "":
		return in.value(in.defs[strings.TrimPrefix(s.Ref, "#/$defs/")], hash, depth-1)
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[mix(hash)%uint64(len(s.Enum))]
	case len(s.AnyOf) > 0:
		return in.value(s.AnyOf[0], hash, depth-1)
	case kind == "object" || s.Properties != nil:
		return in.object(&s, hash, depth)
	case kind == "array" && s.Items == nil:
		return []any{}
	case kind == "array":
		return []any{in.value(s.Items, mix(hash), depth-1)}
	}
	return scalar(kind, hash)
}

// kind is the schema's type; the first of a list such as ["string", "null"].
func (s *schema) kind() string {
	if kinds, ok := s.Type.([]any); ok && len(kinds) > 0 {
		kind, _ := kinds[0].(string)
		return kind
	}
	kind, _ := s.Type.(string)
	return kind
}

func (in *inventor) object(s *schema, hash uint64, depth int) any {
	out := map[string]any{} // encoding/json writes its keys in order
	for i, name := range s.Required {
		if p, ok := s.Properties[name]; ok && i < maxRequired {
			out[name] = in.value(p, mix(hash+uint64(i)), depth-1)
		}
	}
	return out
}

func scalar(kind string, hash uint64) any {
	switch kind {
	case "integer":
		return mix(hash) % 100
	case "number":
		return float64(mix(hash)%1000) / 10
	case "boolean":
		return mix(hash)%2 == 0
	case "null":
		return nil
	}
	return words[mix(hash)%uint64(len(words))]
}
