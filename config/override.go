package config

import (
	"encoding/json"
	"reflect"
	"strings"
)

// An Override replaces a value of the file, as a command-line flag does. It
// must obey the rules of the file, and its faults name it in place of a line.
type Override struct {
	Name  string // as the user wrote it: "--listen"
	Key   string // path in the file: "server.listen"
	Value string // a text; "" leaves the file's
}

// override replaces the file's value by o's.
func (d *decoder) override(o Override, into any) {
	if o.Value == "" {
		return
	}
	if d.over == nil {
		d.over = map[string]string{}
	}
	d.over[o.Key] = o.Name
	delete(d.faulty, o.Key)
	if strings.ContainsAny(o.Value, "\n\r") {
		d.faultAt(position{}, o.Key, "contains a line break", "give it on one line")
		return
	}
	quoted, err := json.Marshal(o.Value) // JSON is YAML too
	if err != nil {
		panic(err)
	}
	one := &decoder{at: positions{}, other: true, part: true}
	body, ok := one.parse(keyed(o.Key, string(quoted)))
	if ok {
		one.block(body, "", reflect.ValueOf(into).Elem())
	}
	for _, f := range one.faults {
		d.faultAt(position{}, o.Key, f.Problem, f.Remedy)
	}
}

// dropOverridden removes faults of overridden values.
func (d *decoder) dropOverridden(over []Override) {
	for _, o := range over {
		if o.Value == "" {
			continue
		}
		kept := d.faults[:0]
		for _, f := range d.faults {
			if f.Path != o.Key {
				kept = append(kept, f)
			}
		}
		d.faults = kept
	}
}

// newFault is a fault at a position of a file, or of an override.
func (d *decoder) newFault(p position, path, problem, remedy string) Fault {
	f := Fault{Path: path, Problem: problem, Remedy: remedy}
	if name, ok := d.over[path]; ok {
		f.File = name
		return f
	}
	f.line, f.Column = p.line, p.column
	f.File, f.Line = d.fileOf(p.line)
	return f
}

// keyed is a file of one key, given by its path.
func keyed(key, value string) []byte {
	var text strings.Builder
	for depth, part := range strings.Split(key, ".") {
		if depth > 0 {
			text.WriteString("\n" + strings.Repeat("  ", depth))
		}
		text.WriteString(part + ":")
	}
	text.WriteString(" " + value + "\n")
	return []byte(text.String())
}
