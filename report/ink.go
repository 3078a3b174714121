package report

// Ink colours text for a terminal; the zero Ink leaves it as it is.
type Ink bool

// Colours, as SGR parameters (ECMA-48).
const (
	Red    = "31;1"
	Yellow = "33;1"
	Green  = "32;1"
	Bold   = "1"
	Dim    = "2"
)

// Paint colours a text.
func (i Ink) Paint(colour, text string) string {
	if !i {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
