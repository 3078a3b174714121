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

// Members that a splice may insert, with and without the comma before further members.
var (
	usageMember      = []byte(`"include_usage":true`)
	usageMemberComma = []byte(`"include_usage":true,`)
	usageOption      = []byte(`"stream_options":{"include_usage":true}`)
	usageOptionComma = []byte(`"stream_options":{"include_usage":true},`)
	usageObject      = []byte(`{"include_usage":true}`)
	literalTrue      = []byte(`true`)
)

// modelNames is an upstream's model name as written into bodies, quoted once when
// configured.
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

// splice appends the edited body to out as segments: the caller's bytes are not copied;
// only the changes are inserted between them.
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

// editModel sets the upstream's model name in the body.
func (a *ask) editModel(edits []edit, m *modelNames) []edit {
	switch {
	case !a.model.Absent():
		return append(edits, edit{a.model.From, a.model.To, m.value})
	case a.empty:
		return append(edits, edit{a.open, a.open, m.member})
	}
	return append(edits, edit{a.open, a.open, m.comma})
}

// editUsage makes the body ask for usage in the stream. It is called only if the caller
// did not ask.
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

// sortEdits sorts edits by position. Insertions at the same position keep their order;
// they carry their own commas and do not depend on it.
func sortEdits(edits []edit) {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.at - b.at })
}

// compose is the body for a deployment: the caller's, with the deployment's model name
// and, for a stream, a request for usage. It says whether the usage must be hidden from
// the caller.
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
