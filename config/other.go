package config

import (
	"errors"
	"reflect"
	"strings"
)

// Decode reads a file other than weir.yaml (a demand, say) by the same rules:
// into points to a struct with the tags of this package (see shape), unknown
// keys fail, units are required, and defaults are filled in. The error is a
// Faults with every fault found, in order of position. name is the file's name
// in faults.
func Decode(name string, src []byte, into any) error {
	d := &decoder{file: name, at: positions{}, other: true}
	v := reflect.ValueOf(into).Elem()
	setDefaults(v)
	if body, ok := d.parse(src); ok {
		d.block(body, "", v)
	}
	d.excerpts(d.faults)
	if len(d.faults) > 0 {
		return d.faults.InOrder()
	}
	return nil
}

// Set changes one key of a struct with the tags of this package: key is its
// path ("queue.drain_within"), value is written as in a file ("20s"). Blocks
// that pointers of into point to are not changed, but replaced. The error
// describes a bad key or value; references and conflicts are not checked.
func Set(into any, key, value string) error {
	if strings.ContainsAny(key+value, "\n\r") {
		return errors.New("a key and its value must be on one line")
	}
	d := &decoder{at: positions{}, other: true, part: true}
	if body, ok := d.parse(keyed(key, value)); ok {
		d.block(body, "", reflect.ValueOf(into).Elem())
	}
	if len(d.faults) > 0 {
		f := d.faults[0]
		return errors.New(f.Message())
	}
	return nil
}
