package azureml

import (
	"fmt"
	"time"
)

// tag is the tag of a deployment in which Weir says what it began last.
const tag = "weir-instances"

// mark is the content of the tag: a change from a number of instances that served
// to another. It makes a restarted Weir know what serves while Azure scales, and
// whose number it is.
type mark struct {
	from, to int
	at       time.Time // to the second
}

func (m mark) String() string {
	return fmt.Sprintf("from %d to %d at %s", m.from, m.to, m.at.UTC().Format(time.RFC3339))
}

// markOf reads a tag; false: it is none of Weir's.
func markOf(text string) (m mark, ok bool) {
	var when string
	if n, err := fmt.Sscanf(text, "from %d to %d at %s", &m.from, &m.to, &when); err != nil || n != 3 || m.from < 0 || m.to < 0 {
		return mark{}, false
	}
	at, err := time.Parse(time.RFC3339, when)
	m.at = at
	return m, err == nil
}
