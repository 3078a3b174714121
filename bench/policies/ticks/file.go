package ticks

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The file of a case: its settings, one a line, an empty line, and a row a
// tick, in seconds.

// Bytes are the file of the case.
func (c *Case) Bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "policy %s\ntarget %v\nmin %d\nmax %d\nstart %d\nevery %v\ncold %v\n", c.Policy, c.Target, c.Min, c.Max, c.Start, c.Every, c.Cold)
	if c.Behavior {
		b.WriteString("behavior true\n")
	}
	if c.Differs > 0 {
		fmt.Fprintf(&b, "differs %d because %s\n", c.Differs, c.Because)
	}
	b.WriteString("\nat_s signal ready starting want\n")
	for _, r := range c.Rows {
		fmt.Fprintf(&b, "%d %v %d %d %d\n", int(r.At/time.Second), r.Signal, r.Ready, r.Starting, r.Want)
	}
	return b.Bytes()
}

// Parse reads the file of a case.
func Parse(name string, data []byte) (*Case, error) {
	c := &Case{Name: name}
	lines := bufio.NewScanner(bytes.NewReader(data))
	rows := false
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		var err error
		switch {
		case line == "", strings.HasPrefix(line, "at_s "):
			rows = true
		case rows:
			err = c.row(line)
		default:
			err = c.setting(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %q: %w", name, n, line, err)
		}
	}
	if len(c.Rows) == 0 {
		return nil, fmt.Errorf("%s: no rows", name)
	}
	return c, lines.Err()
}

func (c *Case) row(line string) error {
	var r Row
	var at int
	_, err := fmt.Sscan(line, &at, &r.Signal, &r.Ready, &r.Starting, &r.Want)
	r.At = time.Duration(at) * time.Second
	c.Rows = append(c.Rows, r)
	return err
}

func (c *Case) setting(line string) (err error) {
	key, value, _ := strings.Cut(line, " ")
	into := map[string]any{
		"policy": &c.Policy, "target": &c.Target, "min": &c.Min, "max": &c.Max, "start": &c.Start,
		"behavior": &c.Behavior,
	}
	switch key {
	case "every":
		c.Every, err = time.ParseDuration(value)
	case "cold":
		c.Cold, err = time.ParseDuration(value)
	case "differs":
		_, c.Because, _ = strings.Cut(value, " because ")
		_, err = fmt.Sscan(value, &c.Differs)
	default:
		field, ok := into[key]
		if !ok {
			return fmt.Errorf("no setting %q", key)
		}
		_, err = fmt.Sscan(value, field)
	}
	return err
}

// Load reads all cases of a folder, in order of their names.
func Load(folder string) ([]*Case, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c, err := Parse(strings.TrimSuffix(filepath.Base(file), ".txt"), data)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	return cases, nil
}
