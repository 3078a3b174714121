package config

import "reflect"

// Decode reads another file than weir.yaml (a demand, say) by the same rules:
// into points to a struct with the tags of this package (see shape), unknown
// keys fail, units must be written, defaults are filled in, and the error is a
// Faults with every fault found, in order of position. name is what faults call
// the file.
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
