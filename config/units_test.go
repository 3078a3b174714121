package config

import (
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestUnits(t *testing.T) {
	for _, row := range []struct {
		text string
		want any
	}{
		{"1500ms", 1500 * time.Millisecond}, {"1h30m", 90 * time.Minute}, {"0s", time.Duration(0)}, {"0.5s", 500 * time.Millisecond},
		{"4MiB", Size(4 << 20)}, {"16KB", Size(16000)}, {"1.5KiB", Size(1536)}, {"7B", Size(7)}, {"1GB", Size(1e9)},
		{"80%", Percent(80)}, {"0.5%", Percent(0.5)}, {"82.5 %", Percent(82.5)},
		{"600/min", Rate(600)}, {"10/s", Rate(600)}, {"200k/min", Rate(200_000)}, {"1.2M/h", Rate(20_000)}, {"0.5/s", Rate(30)},
		{"10.0.0.0/8", Network{netip.MustParsePrefix("10.0.0.0/8")}}, {"192.0.2.7", Network{netip.MustParsePrefix("192.0.2.7/32")}}, {"fd00::/8", Network{netip.MustParsePrefix("fd00::/8")}},
		{"$2.50/1M tokens", TokenPrice(2_500_000)}, {"$0.15/1M", TokenPrice(150_000)}, {"$0.0025/1K tokens", TokenPrice(2_500_000)}, {"$0/1M", TokenPrice(0)},
	} {
		l := leaves[reflect.TypeOf(row.want)]
		have, problem := l.parse(row.text)
		if problem != "" || have != row.want {
			t.Errorf("%s: want %v, have %v (%s)", row.text, row.want, have, problem)
		}
		if !regexp.MustCompile(l.pattern).MatchString(row.text) {
			t.Errorf("the schema refuses %s", row.text)
		}
	}
}

// The schema must not accept a form that Parse refuses: an editor that is
// silent where weir check is not is worse than the reverse.
func TestWhatALeafRefusesForItsFormTheSchemaRefusesToo(t *testing.T) {
	beyond := regexp.MustCompile(`finer than|more than|longer than|whole number of bytes`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[$]?[0-9]{0,16}[.]?[0-9]{0,3} {0,2}[a-zA-Z%]{0,3} {0,2}/? {0,2}[1a-z%]{0,3} {0,2}[KkM]?( {0,2}tokens)?`).Draw(t, "text")
		for typ, l := range leaves {
			_, problem := l.parse(text)
			accepts := regexp.MustCompile(l.pattern).MatchString(text)
			if problem == "" && !accepts {
				t.Fatalf("%v: the schema refuses %q, which parse accepts", typ, text)
			}
			if problem != "" && accepts && !beyond.MatchString(problem) {
				t.Fatalf("%v: the schema accepts %q, which %s", typ, text, problem)
			}
		}
	})
}

func TestWhatAUnitPrintsItReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "size"))
		if have, _ := parseSize(size.String()); len(size.String()) < 16 && have != size {
			t.Fatalf("size %d is printed as %s, read as %v", size, size, have)
		}
		price := TokenPrice(rapid.Int64Range(0, 1e12).Draw(t, "price"))
		if have, _ := parseTokenPrice(price.String()); have != price {
			t.Fatalf("price %d is printed as %s, read as %v", price, price, have)
		}
		rate := Rate(rapid.Int64Range(0, 1e9).Draw(t, "rate"))
		if have, _ := parseRate(rate.String()); have != rate || rate.PerMinute() != int64(rate) {
			t.Fatalf("rate %v is printed as %s, read as %v", float64(rate), rate, have)
		}
	})
}

// Tags are read with a file: a wrong one would panic there.
func TestEveryTagIsReadable(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if !isBlock(typ) || seen[typ] {
			return
		}
		seen[typ] = true
		s := shapeOf(typ)
		for _, key := range s.oneof {
			if _, ok := s.field(key); !ok {
				t.Errorf("%v: oneof names the unknown key %s", typ, key)
			}
		}
		for _, f := range s.fields {
			checkTags(t, typ, f)
			walk(f.typ)
		}
	}
	walk(reflect.TypeFor[Config]())
	if len(seen) < 20 {
		t.Errorf("walked only %d blocks", len(seen))
	}
}

func checkTags(t *testing.T, typ reflect.Type, f field) {
	t.Helper()
	if f.key != snake(typ.Field(f.index).Name) {
		t.Errorf("%v: key %s does not spell the field %s", typ, f.key, typ.Field(f.index).Name)
	}
	if _, ok := formats[f.format]; f.format != "" && !ok {
		t.Errorf("%v.%s: unknown format %s", typ, f.key, f.format)
	}
	leafType := f.typ
	for leafType.Kind() == reflect.Pointer || leafType.Kind() == reflect.Slice {
		leafType = leafType.Elem()
	}
	for _, text := range []string{f.def, f.min, f.max, f.example} {
		if text != "" {
			mustLiteral(leafType, text)
		}
	}
	if f.min != "" && f.hasDef && less(mustLiteral(f.typ, f.def), mustLiteral(f.typ, f.min)) {
		t.Errorf("%v.%s: default %s is less than the minimum %s", typ, f.key, f.def, f.min)
	}
	if f.max != "" && f.hasDef && less(mustLiteral(f.typ, f.max), mustLiteral(f.typ, f.def)) {
		t.Errorf("%v.%s: default %s is more than the maximum %s", typ, f.key, f.def, f.max)
	}
	if leafType.Kind() == reflect.Int && (f.min == "" || f.max == "") {
		t.Errorf("%v.%s has no bounds", typ, f.key)
	}
}

// snake is the key that belongs to a field's name: APIKey is api_key.
func snake(name string) string {
	for _, word := range []string{"OpenAI", "TTFT", "TPOT", "API", "TLS", "SLO", "PTU", "URLs", "URL", "GPUs", "GPU", "ID"} {
		name = strings.ReplaceAll(name, word, strings.ToUpper(word[:1])+strings.ToLower(word[1:]))
	}
	name = regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2")
	return strings.ReplaceAll(strings.ToLower(name), "azure_openai", "azureopenai")
}

func TestNearest(t *testing.T) {
	keys := []string{"listen", "max_body", "idle_timeout", "tls"}
	for text, want := range map[string]string{
		"lisen": "listen", "maxbody": "max_body", "Max-Body": "max_body", "idle_timout": "idle_timeout",
		"tsl": "tls", "zebra": "", "": "", "x": "",
	} {
		if have := nearest(text, keys); have != want {
			t.Errorf("%q: want %q, have %q", text, want, have)
		}
	}
}
