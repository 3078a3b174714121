package index

import (
	"fmt"
	"slices"
)

// Filter selects documents by their attributes: a comparison, or several joined by and or
// or. It is OpenAI's ("Vector stores", search, 2026).
type Filter struct {
	Type    string   `json:"type"` // eq, ne, gt, gte, lt, lte, in, nin; and, or
	Key     string   `json:"key,omitempty"`
	Value   any      `json:"value,omitempty"`
	Filters []Filter `json:"filters,omitempty"`
}

// maxFilters and maxFilterDepth bound a filter, maxFilterValues the values of all its lists:
// each document is compared with every one of them.
const (
	maxFilters      = 64
	maxFilterDepth  = 8
	maxFilterValues = 1000
)

// Validate says what is wrong with a filter.
func (f *Filter) Validate() error {
	parts, values := 0, 0
	return f.validate(1, &parts, &values)
}

func (f *Filter) validate(depth int, parts, values *int) error {
	if *parts++; *parts > maxFilters || depth > maxFilterDepth {
		return fmt.Errorf("a filter has at most %d parts, nested at most %d deep", maxFilters, maxFilterDepth)
	}
	switch f.Type {
	case "and", "or":
		if f.Key != "" || f.Value != nil || len(f.Filters) == 0 {
			return fmt.Errorf("a filter of type %q has filters, and no key and value", f.Type)
		}
		for i := range f.Filters {
			if err := f.Filters[i].validate(depth+1, parts, values); err != nil {
				return err
			}
		}
		return nil
	case "in", "nin":
		list, ok := f.Value.([]any)
		if !ok || slices.ContainsFunc(list, func(v any) bool { return !isScalar(v) }) {
			return fmt.Errorf("a filter of type %q compares with a list of texts, numbers, true or false", f.Type)
		}
		if *values += len(list); *values > maxFilterValues {
			return fmt.Errorf("a filter's lists have at most %d values together", maxFilterValues)
		}
	case "eq", "ne", "gt", "gte", "lt", "lte":
		if !isScalar(f.Value) {
			return fmt.Errorf("a filter of type %q compares with a text, a number, true or false", f.Type)
		}
	default:
		return fmt.Errorf("a filter's type is %q; want one of eq, ne, gt, gte, lt, lte, in, nin, and, or", f.Type)
	}
	if f.Key == "" || len(f.Filters) > 0 {
		return fmt.Errorf("a filter of type %q has key and value, and no filters", f.Type)
	}
	return nil
}

// isScalar says whether a value is of a kind that attributes have.
func isScalar(v any) bool {
	switch v.(type) {
	case string, float64, bool:
		return true
	}
	return false
}

// Takes says whether a document with these attributes is selected. An attribute that is
// absent, or of another kind than the value, is not equal to it, nor larger or smaller.
func (f *Filter) Takes(attributes map[string]any) bool {
	if f == nil {
		return true
	}
	have := attributes[f.Key]
	switch f.Type {
	case "and":
		return !slices.ContainsFunc(f.Filters, func(p Filter) bool { return !p.Takes(attributes) })
	case "or":
		return slices.ContainsFunc(f.Filters, func(p Filter) bool { return p.Takes(attributes) })
	case "eq":
		return order(have, f.Value) == equal
	case "ne":
		return order(have, f.Value) != equal
	case "gt":
		return order(have, f.Value) == more
	case "gte":
		o := order(have, f.Value)
		return o == more || o == equal
	case "lt":
		return order(have, f.Value) == less
	case "lte":
		o := order(have, f.Value)
		return o == less || o == equal
	case "in", "nin":
		list, _ := f.Value.([]any)
		return slices.ContainsFunc(list, func(v any) bool { return order(have, v) == equal }) == (f.Type == "in")
	}
	return false
}

// Orders of two values.
const (
	less = iota - 1
	equal
	more
	none // they cannot be compared
)

func order(a, b any) int {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return sign(x < y, x > y)
		}
	case float64:
		if y, ok := b.(float64); ok {
			return sign(x < y, x > y)
		}
	case bool:
		if y, ok := b.(bool); ok && x == y {
			return equal
		}
	}
	return none
}

func sign(isLess, isMore bool) int {
	switch {
	case isLess:
		return less
	case isMore:
		return more
	}
	return equal
}
