package gateway

import (
	"net"
	"slices"

	"weir/jsonscan"
	"weir/upstream"
)

// edit replaces body[at:cut] by text.
type edit struct {
	at, cut int
	text    []byte
}

// The members a splice may put in, with and without the comma that others
// after them need.
var (
	usageMember      = []byte(`"include_usage":true`)
	usageMemberComma = []byte(`"include_usage":true,`)
	usageOption      = []byte(`"stream_options":{"include_usage":true}`)
	usageOptionComma = []byte(`"stream_options":{"include_usage":true},`)
	usageObject      = []byte(`{"include_usage":true}`)
	literalTrue      = []byte(`true`)
)

// modelNames is an upstream's name of a model as it is written into bodies,
// quoted once at configuration.
type modelNames struct {
	value  []byte // "name"
	member []byte // "model":"name"
	comma  []byte // "model":"name",
}

func namesOf(model string) modelNames {
	value := quoteJSON(nil, model)
	member := append([]byte(`"model":`), value...)
	return modelNames{value, member, append(slices.Clone(member), ',')}
}

// splice appends body with its edits to out as segments: the caller's bytes
// stay where they are, only what must differ is put between them.
func splice(out net.Buffers, body []byte, edits []edit) net.Buffers {
	done := 0
	for _, e := range edits {
		if e.at > done {
			out = append(out, body[done:e.at])
		}
		out = append(out, e.text)
		done = e.cut
	}
	return append(out, body[done:])
}

// editModel makes the body name the model as the upstream does.
func (a *ask) editModel(edits []edit, m *modelNames) []edit {
	switch {
	case !a.model.Absent():
		return append(edits, edit{a.model.From, a.model.To, m.value})
	case a.empty:
		return append(edits, edit{a.open, a.open, m.member})
	}
	return append(edits, edit{a.open, a.open, m.comma})
}

// editUsage makes the body ask for usage in the stream. It is called when the
// caller did not ask itself.
func (a *ask) editUsage(edits []edit, body []byte) []edit {
	switch o := a.streamOptions; {
	case o.Absent() && a.empty:
		return append(edits, edit{a.open, a.open, usageOption})
	case o.Absent():
		return append(edits, edit{a.open, a.open, usageOptionComma})
	case body[o.From] == 'n':
		return append(edits, edit{o.From, o.To, usageObject})
	case !a.includeUsage.Absent():
		return append(edits, edit{a.includeUsage.From, a.includeUsage.To, literalTrue})
	default:
		s := jsonscan.Scanner{B: body}
		if body[s.Space(o.From+1)] == '}' {
			return append(edits, edit{o.From + 1, o.From + 1, usageMember})
		}
		return append(edits, edit{o.From + 1, o.From + 1, usageMemberComma})
	}
}

// sortEdits puts them in the order of the body. Insertions at the same place
// keep their order; they are written with their commas and do not depend on it.
func sortEdits(edits []edit) {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.at - b.at })
}

// compose is the body for a deployment: the caller's own with the model named as
// it is there, and with a stream asked for its usage. It says whether that is
// not for the caller to see.
func compose(t *target, o *upstream.Operation, a *ask, body []byte, segments [][]byte, edits []edit) ([][]byte, bool) {
	edits = edits[:0]
	if !o.ModelInPath && (t.Upstream.Model != "" || a.model.Absent()) {
		if named := a.modelName(body); named != t.upstreamModel {
			edits = a.editModel(edits, &t.names)
		}
	}
	asksUsage := t.asksUsage(o) && a.stream && !a.wantsUsage
	if asksUsage {
		edits = a.editUsage(edits, body)
	}
	if a.trim > 0 {
		edits = a.editTrim(edits, t.limitName(o.Op))
	}
	sortEdits(edits)
	return splice(segments[:0], body, edits), asksUsage
}
