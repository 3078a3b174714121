package price

import (
	"cmp"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"weir"
)

// Source is the origin and date of figures.
type Source struct {
	ID      string `yaml:"-"`
	What    string `yaml:"what"`
	URL     string `yaml:"url,omitempty"`
	Date    string `yaml:"date,omitempty"`    // "2026-09-23", or the month alone; "" not known
	Lasting bool   `yaml:"lasting,omitempty"` // figures that do not age: a datasheet, a shape

	// Unverified: the figures were not checked against their publication; reports
	// that use them say so.
	Unverified bool `yaml:"unverified,omitempty"`
}

// String names the source with its date, and says if it is unverified.
func (s Source) String() string {
	text := s.What
	if s.Date == "" {
		text += " (date not known)"
	} else {
		text += " (" + s.Date + ")"
	}
	if s.Unverified {
		text += ", not verified"
	}
	return text
}

// AsOf returns the date of the source; false if unknown. A month counts from
// its first day.
func (s Source) AsOf() (weir.Instant, bool) {
	t, err := parseDate(s.Date)
	return weir.At(t), err == nil && s.Date != ""
}

// StaleAfter is the age at which a figure is old, unless it is lasting.
const StaleAfter = 90 * 24 * time.Hour

// Stale reports whether figures of the source are older than StaleAfter, or of
// unknown age. Lasting ones never are.
func (s Source) Stale(now weir.Instant) bool {
	if s.Lasting {
		return false
	}
	at, known := s.AsOf()
	return !known || now.Sub(at) > StaleAfter
}

func parseDate(s string) (time.Time, error) {
	if len(s) == len("2006-01") {
		return time.Parse("2006-01", s)
	}
	return time.Parse(time.DateOnly, s)
}

// day refuses a text that is neither "" nor a day.
func day(name, s string) error {
	if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
		return fmt.Errorf("%s: %q is not a date: write 2026-09-23", name, s)
	}
	return nil
}

// Figure is a number with its source. The zero Figure is unknown.
type Figure struct {
	value  float64
	from   *Source
	name   string // "usable_gib of GPU A10"
	source string // as written, before it is looked up
	known  bool
}

// Value returns the number, 0 if unknown.
func (f Figure) Value() float64 { return f.value }

// Known reports whether the catalogue has the figure.
func (f Figure) Known() bool { return f.known }

// From returns its source.
func (f Figure) From() Source { return sourceOf(f.from) }

// Get returns the number, or an error that names the missing figure.
func (f Figure) Get() (float64, error) {
	if !f.known {
		return 0, fmt.Errorf("%s is %w: add it to your price file", f.name, ErrUnknown)
	}
	return f.value, nil
}

// Price is an amount in micro-dollars with its source; its field says what it
// is for. The zero Price is unknown: free is a known price of zero.
type Price struct {
	amount weir.Money
	from   *Source
	name   string
	source string
	known  bool
}

// Amount returns the amount, 0 if unknown.
func (p Price) Amount() weir.Money { return p.amount }

// Known reports whether the catalogue has the price.
func (p Price) Known() bool { return p.known }

// From returns its source.
func (p Price) From() Source { return sourceOf(p.from) }

// Get returns the amount, or an error that names the missing price.
func (p Price) Get() (weir.Money, error) {
	if !p.known {
		return 0, missing(p.name)
	}
	return p.amount, nil
}

func sourceOf(s *Source) Source {
	if s == nil {
		return Source{}
	}
	return *s
}

func missing(name string) error {
	return fmt.Errorf("%s is %w: add it to your price file, or run weir price update", name, ErrUnknown)
}

// attribute gives the figure its name, and its source by default that of its entry.
func (f *Figure) attribute(name, source string, sources map[string]*Source) (err error) {
	f.name = name
	if f.known {
		f.from, err = namedSource(name, cmp.Or(f.source, source), sources)
	}
	return err
}

// attribute gives the price its name, and its source by default that of its entry.
func (p *Price) attribute(name, source string, sources map[string]*Source) (err error) {
	p.name = name
	if p.known {
		p.from, err = namedSource(name, cmp.Or(p.source, source), sources)
	}
	return err
}

func namedSource(name, id string, sources map[string]*Source) (*Source, error) {
	if s := sources[id]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%s: source %q is not under sources", name, id)
}

// sourced is a value in a file: alone, with its entry's source, or {is: 3.67,
// source: list} with its own.
type sourced struct {
	Is     string `yaml:"is"`
	Source string `yaml:"source"`
}

func readSourced(node ast.Node) (s sourced, err error) {
	if scalar, ok := node.(ast.ScalarNode); ok {
		return sourced{Is: scalar.GetToken().Value}, nil
	}
	err = yaml.NodeToValue(node, &s, yaml.Strict())
	return s, err
}

// UnmarshalYAML reads a number; it refuses negative, infinite and other values.
func (f *Figure) UnmarshalYAML(node ast.Node) error {
	s, err := readSourced(node)
	if err != nil {
		return err
	}
	v, err := strconv.ParseFloat(s.Is, 64)
	if err != nil || v < 0 || v > 1e18 {
		return fmt.Errorf("%q is not a number from 0 to 1e18", s.Is)
	}
	*f = Figure{value: v, source: s.Source, known: true}
	return nil
}

// UnmarshalYAML reads an amount in dollars, exactly.
func (p *Price) UnmarshalYAML(node ast.Node) error {
	s, err := readSourced(node)
	if err != nil {
		return err
	}
	amount, err := parseDollars(s.Is)
	if err != nil {
		return err
	}
	*p = Price{amount: amount, source: s.Source, known: true}
	return nil
}

// parseDollars reads a decimal number of dollars with at most six decimals.
func parseDollars(s string) (weir.Money, error) {
	r, err := parseDecimal(s)
	if err != nil {
		return 0, err
	}
	r.Mul(r, big.NewRat(int64(weir.Dollar), 1))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, fmt.Errorf("%q dollars is not a whole number of micro-dollars: at most six decimals", s)
	}
	return weir.Money(r.Num().Int64()), nil
}

// parseDecimal reads a number of at most 40 characters, with an exponent of at
// most 30: no file can make a number of a gigabyte.
func parseDecimal(s string) (*big.Rat, error) {
	bad := fmt.Errorf("%q is not a decimal number", s)
	if len(s) == 0 || len(s) > 40 || strings.ContainsAny(s, "/_xXpP") {
		return nil, bad
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > 30 || e < -30 {
			return nil, bad
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || r.Sign() < 0 {
		return nil, bad
	}
	return r, nil
}
