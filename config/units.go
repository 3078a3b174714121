package config

import (
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"weir"
)

// Size is a number of bytes.
type Size int64

// String uses the largest binary unit that divides the size: "4MiB".
func (s Size) String() string {
	for _, u := range sizeUnits {
		if u.bytes > 1 && strings.HasSuffix(u.name, "iB") && s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Percent is a share in hundredths: 80 means 80 %.
type Percent float64

// Fraction is the share as a number from 0 to 1.
func (p Percent) Fraction() float64 { return float64(p) / 100 }

func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// Rate is a number of things per minute. 0 means that no rate was given.
type Rate float64

// PerMinute is the rate per minute, rounded to the nearest whole number.
func (r Rate) PerMinute() int64 { return int64(float64(r) + 0.5) }

// PerSecond is the rate per second.
func (r Rate) PerSecond() float64 { return float64(r) / 60 }

func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/min" }

// TokenPrice is the price of 1,000,000 tokens.
type TokenPrice weir.Money

func (p TokenPrice) String() string { return weir.Money(p).String() + "/1M tokens" }

// Dollars is an amount of money: "$500", "$0.25".
type Dollars weir.Money

func (d Dollars) String() string { return weir.Money(d).String() }

// A leaf is a type that is written as text with a unit.
type leaf struct {
	want    string                          // the allowed form, for people
	bare    func(number string) string      // remedy for a number without unit
	pattern string                          // accepted by parse, for the JSON Schema; parse may still refuse
	parse   func(text string) (any, string) // the value, or the problem of the text
}

// leaves are all types with units. A type's parse returns exactly that type.
var leaves = map[reflect.Type]leaf{
	reflect.TypeFor[time.Duration](): {
		want:    "a duration such as 1500ms, 30s, 2m or 1h30m",
		bare:    func(n string) string { return fmt.Sprintf("write %[1]ss for seconds, %[1]sms or %[1]sm", n) },
		pattern: `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`,
		parse:   parseDuration,
	},
	reflect.TypeFor[Size](): {
		want:    "a size such as 512KiB, 4MiB or 16KB",
		bare:    func(n string) string { return fmt.Sprintf("write %[1]sB for bytes, %[1]sKiB or %[1]sMiB", n) },
		pattern: `^[0-9]{1,15}(\.[0-9]{1,15})?(B|KB|MB|GB|KiB|MiB|GiB)$`,
		parse:   parseSize,
	},
	reflect.TypeFor[Percent](): {
		want:    "a percentage such as 80%",
		bare:    barePercent,
		pattern: `^[0-9]{1,15}(\.[0-9]{1,15})? *%$`,
		parse:   parsePercent,
	},
	reflect.TypeFor[Rate](): {
		want:    "a rate such as 10/s, 600/min or 200k/min",
		bare:    func(n string) string { return fmt.Sprintf("write %[1]s/min or %[1]s/s", n) },
		pattern: `^[0-9]{1,15}(\.[0-9]{1,15})?[kM]? */ *(s|min|h)$`,
		parse:   parseRate,
	},
	reflect.TypeFor[TokenPrice](): {
		want:    "a price such as $2.50/1M tokens or $0.0025/1K tokens",
		bare:    func(n string) string { return "write $" + n + "/1M tokens" },
		pattern: `^\$[0-9]{1,15}(\.[0-9]{1,15})? */ *1 *[KkM] *(tokens)?$`,
		parse:   parseTokenPrice,
	},
	reflect.TypeFor[Dollars](): {
		want:    "an amount of money such as $500 or $0.25",
		bare:    func(n string) string { return "write $" + n },
		pattern: `^\$[0-9]{1,15}(\.[0-9]{1,15})?$`,
		parse:   parseDollars,
	},
	reflect.TypeFor[TimeOfDay](): {
		want:    "a time of day such as 08:00 or 17:30; 24:00 is the end of the day",
		bare:    func(string) string { return "write hours and minutes, such as 08:00" },
		pattern: timeOfDayPattern,
		parse:   parseTimeOfDay,
	},
	reflect.TypeFor[Network](): {
		want:    "an address or a network such as 10.0.0.7 or 10.0.0.0/8",
		bare:    func(string) string { return "write it with its dots, such as 10.0.0.0/8" },
		pattern: networkPattern,
		parse:   parseNetwork,
	},
	reflect.TypeFor[KeyHash](): {
		want:    "the hash of a key: sha256: and 64 hexadecimal digits",
		bare:    func(string) string { return "make a key and its hash with `weir key new`" },
		pattern: `^sha256:[0-9a-f]{64}$`,
		parse:   parseKeyHash,
	},
	reflect.TypeFor[Secret](): {
		want: "a reference to a secret: env:NAME or file:/path",
		bare: func(string) string {
			return "put the secret into an environment variable and write env:NAME, or into a file and write file:/path"
		},
		pattern: `^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$`,
		parse:   parseSecret,
	},
}

var durationParts = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

func parseDuration(text string) (any, string) {
	if !durationParts.MatchString(text) {
		return nil, unitProblem(text, "ms, s, m or h")
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, "is too long"
	}
	return d, ""
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

func parseSize(text string) (any, string) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, ok := decimal(number)
		if !ok {
			return nil, notPlain
		}
		n.Mul(n, new(big.Rat).SetInt64(u.bytes))
		if !n.IsInt() {
			return nil, "is not a whole number of bytes"
		}
		if !n.Num().IsInt64() {
			return nil, "is too large"
		}
		return Size(n.Num().Int64()), ""
	}
	return nil, unitProblem(text, "B, KB, MB, GB, KiB, MiB or GiB")
}

func parsePercent(text string) (any, string) {
	number, ok := strings.CutSuffix(text, "%")
	if !ok {
		return nil, unitProblem(text, "%")
	}
	n, ok := decimal(strings.TrimRight(number, " "))
	if !ok {
		return nil, notPlain
	}
	f, _ := n.Float64()
	return Percent(f), ""
}

// ratePer are the units of time of a rate, as units per minute.
var ratePer = map[string]*big.Rat{"s": big.NewRat(60, 1), "min": big.NewRat(1, 1), "h": big.NewRat(1, 60)}

var rateMultiples = map[string]int64{"k": 1e3, "M": 1e6}

func parseRate(text string) (any, string) {
	number, per, ok := strings.Cut(text, "/")
	if !ok {
		return nil, unitProblem(text, "/s, /min or /h")
	}
	per = strings.TrimLeft(per, " ")
	scale, ok := ratePer[per]
	if !ok {
		return nil, fmt.Sprintf("has the unknown unit %q: use /s, /min or /h", "/"+per)
	}
	number = strings.TrimRight(number, " ")
	count := number
	multiple := int64(1)
	if number != "" {
		if m, ok := rateMultiples[number[len(number)-1:]]; ok {
			multiple, number = m, number[:len(number)-1]
		}
	}
	n, ok := decimal(number)
	if !ok {
		return nil, numberProblem(strings.TrimSpace(count))
	}
	n.Mul(n, scale)
	f, _ := n.Mul(n, new(big.Rat).SetInt64(multiple)).Float64()
	return Rate(f), ""
}

func parseTokenPrice(text string) (any, string) {
	money, per, ok := strings.Cut(text, "/")
	if !ok {
		return nil, "does not say per how many tokens"
	}
	amount, ok := strings.CutPrefix(strings.TrimRight(money, " "), "$")
	if !ok {
		return nil, "is not an amount in US dollars: put a $ before it"
	}
	n, ok := decimal(amount)
	if !ok {
		return nil, plainMoney
	}
	switch strings.ReplaceAll(strings.TrimSuffix(per, "tokens"), " ", "") {
	case "1M":
	case "1K", "1k":
		n.Mul(n, big.NewRat(1000, 1))
	default:
		return nil, fmt.Sprintf("is per %q: use 1M or 1K tokens", per)
	}
	n.Mul(n, new(big.Rat).SetInt64(int64(weir.Dollar)))
	if !n.IsInt() {
		return nil, "is finer than $0.000001 per 1M tokens"
	}
	if !n.Num().IsInt64() || n.Num().Int64() > int64(1_000_000*weir.Dollar) {
		return nil, "is more than $1000000 per 1M tokens"
	}
	return TokenPrice(n.Num().Int64()), ""
}

func parseDollars(text string) (any, string) {
	amount, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, "is not an amount in US dollars: put a $ before it"
	}
	n, ok := decimal(amount)
	if !ok {
		return nil, plainMoney
	}
	n.Mul(n, new(big.Rat).SetInt64(int64(weir.Dollar)))
	if !n.IsInt() {
		return nil, "is finer than $0.000001"
	}
	if !n.Num().IsInt64() || n.Num().Int64() > int64(1_000_000_000*weir.Dollar) {
		return nil, "is more than $1000000000"
	}
	return Dollars(n.Num().Int64()), ""
}

// notPlain is the problem of a text with a right unit and a wrong number.
const notPlain = "does not start with a plain number directly before its unit"

// barePercent takes a number below 1 for a fraction.
func barePercent(number string) string {
	if n, ok := decimal(number); ok && n.Cmp(big.NewRat(1, 1)) < 0 {
		f, _ := n.Mul(n, big.NewRat(100, 1)).Float64()
		number = strconv.FormatFloat(f, 'f', -1, 64)
	}
	return "write " + number + "%"
}

var plainDecimal = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,15})?$`)

// decimal reads a number without sign or exponent, exactly.
func decimal(text string) (*big.Rat, bool) {
	if !plainDecimal.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// unitProblem describes a bad unit in a text that should be a number and one of
// units.
func unitProblem(text, units string) string {
	number := strings.TrimLeft(text, "0123456789.")
	switch {
	case number == text:
		return "does not start with a number"
	case number == "":
		return "has no unit: use " + units
	default:
		return fmt.Sprintf("has the unknown unit %q: use %s", strings.TrimSpace(number), units)
	}
}
