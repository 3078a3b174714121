package cheaper

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"weir"
)

// form is what a request demands of the form of its answers.
type form struct {
	json  bool              // the text is JSON
	text  schema            // of the text
	tools map[string]schema // that may be called, by name
}

// schema is one JSON schema; absent: nothing is demanded.
type schema json.RawMessage

type format struct {
	Type   string
	Schema schema // in Anthropic's form
	JSON   struct {
		Schema schema
	} `json:"json_schema"` // in OpenAI's
}

// UnmarshalJSON keeps the schema as it is written.
func (s *schema) UnmarshalJSON(b []byte) error {
	*s = bytes.Clone(b)
	return nil
}

func formOf(op weir.Op, request []byte) form {
	var r struct {
		Response format                  `json:"response_format"`
		Output   struct{ Format format } `json:"output_config"`
		Tools    []struct {
			Type, Name string
			Input      schema `json:"input_schema"`
			Function   struct {
				Name       string
				Parameters schema
			}
		}
	}
	if json.Unmarshal(request, &r) != nil {
		return form{json: true} // what cannot be read is demanded at its strictest
	}
	asked := r.Response
	if op == weir.OpMessages {
		asked = r.Output.Format
	}
	f := form{tools: map[string]schema{}}
	switch asked.Type {
	case "json_schema":
		f.json, f.text = true, asked.Schema
		if len(f.text) == 0 {
			f.text = asked.JSON.Schema
		}
	case "json_object":
		f.json = true
	}
	for _, t := range r.Tools {
		of := t.Function.Parameters
		if len(of) == 0 {
			of = t.Input
		}
		f.tools[cmp.Or(t.Function.Name, t.Name)] = of
	}
	return f
}

// holds says whether an answer has the form. A call of a tool stands for the text.
func (f *form) holds(p *part) bool {
	for _, c := range p.calls {
		s, ok := f.tools[c.name]
		if !ok || !s.allows(c.arguments) {
			return false
		}
	}
	return len(p.calls) > 0 || !f.json || f.text.allows([]byte(p.text))
}

var errOutside = errors.New("a schema may not load another one")

type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errOutside }

// allows says whether a text is JSON in the schema. A schema that cannot be used allows
// nothing: then the larger model is asked. Schemas are the caller's: they load no other.
func (s schema) allows(text []byte) bool {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return false
	}
	if len(s) == 0 || string(s) == "null" {
		return true
	}
	of, err := jsonschema.UnmarshalJSON(bytes.NewReader(s))
	if err != nil {
		return false
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if c.AddResource("request.json", of) != nil {
		return false
	}
	compiled, err := c.Compile("request.json")
	return err == nil && compiled.Validate(value) == nil
}
