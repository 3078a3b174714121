package report

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"weir"
	"weir/price"
)

// named are the entries of a name, and those that belong to it.
func named(c *price.Catalogue, name string) []any {
	var all []any
	same := func(s string) bool { return strings.EqualFold(s, name) }
	if g, err := c.GPU(name); err == nil {
		all = append(all, g)
	}
	if v, err := c.VM(name); err == nil {
		all = append(all, v)
		name = v.Name
	}
	for _, p := range c.VMPrices() {
		if same(p.VM) {
			all = append(all, p)
		}
	}
	if r, err := c.Region(name); err == nil {
		all = append(all, r)
	}
	if m, err := c.Model(name); err == nil {
		all = append(all, m)
	}
	for _, t := range c.AllTokens() {
		if same(t.Model) {
			all = append(all, t)
		}
	}
	if p, err := c.PTU(name); err == nil {
		all = append(all, p)
	}
	for _, p := range c.PTUPrices() {
		if same(p.SKU) {
			all = append(all, p)
		}
	}
	return append(all, namedServices(c, name)...)
}

// namedServices are the services of a name and their own figures, in every
// region with an entry.
func namedServices(c *price.Catalogue, name string) []any {
	var all []any
	same := func(s string) bool { return strings.EqualFold(s, name) }
	if s, err := c.Service(name); err == nil {
		all = append(all, s)
	}
	if e, err := c.OnlineEndpoint(name); err == nil {
		all = append(all, e)
	}
	if e, err := c.BatchEndpoint(name); err == nil {
		all = append(all, e)
	}
	for _, i := range c.ContainerInstances() {
		if same(i.Name) {
			all = append(all, i)
		}
	}
	if r, err := c.Redis(name); err == nil {
		all = append(all, r)
	}
	for _, s := range c.RedisSizes() {
		if same(s.Name) || same(s.Redis) {
			all = append(all, s)
		}
	}
	return all
}

// PriceOf writes every entry of that name, or of the size, model or service of
// that name. It is an error if the catalogue lacks the name.
func PriceOf(out io.Writer, c *price.Catalogue, name string, now weir.Instant) error {
	entries := named(c, name)
	if len(entries) == 0 {
		return fmt.Errorf("%s is %w: see `weir price list`", name, price.ErrUnknown)
	}
	sources := map[string]price.Source{}
	for _, s := range c.Sources() {
		sources[s.ID] = s
	}
	var t text
	for i, e := range entries {
		if i > 0 {
			t.linef("")
		}
		t.linef("%s", titles[reflect.TypeOf(e)])
		var rows []string
		note := ""
		for _, f := range cells(e) {
			switch {
			case f.name == "note":
				note = f.value
			case f.name == "source":
				rows = append(rows, "stated by\t\t"+aged(sources[f.value], now))
			case f.figure && !f.known:
				rows = append(rows, f.name+"\tnot known\t")
			case f.figure:
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s", f.name, f.value, aged(f.from, now)))
			case f.value != "":
				rows = append(rows, f.name+"\t"+f.value+"\t")
			}
		}
		t.table(rows...)
		if note != "" {
			t.linef("  %s", note)
		}
	}
	return t.to(out)
}

var titles = map[reflect.Type]string{
	reflect.TypeFor[price.GPU]():      "GPU",
	reflect.TypeFor[price.VM]():       "Azure VM size",
	reflect.TypeFor[price.VMPrice]():  "price of the VM size",
	reflect.TypeFor[price.Region]():   "Azure region",
	reflect.TypeFor[price.Model]():    "open model",
	reflect.TypeFor[price.Tokens]():   "token prices, per 1,000,000",
	reflect.TypeFor[price.PTU]():      "provisioned throughput",
	reflect.TypeFor[price.PTUPrice](): "price of a PTU",
	reflect.TypeFor[price.Service]():  "service",

	reflect.TypeFor[price.OnlineEndpoint]():    "managed online endpoint, limits of a subscription in a region",
	reflect.TypeFor[price.BatchEndpoint]():     "batch endpoint",
	reflect.TypeFor[price.ContainerInstance](): "container instances",
	reflect.TypeFor[price.Redis]():             "Redis",
	reflect.TypeFor[price.RedisSize]():         "size of a Redis",
}

// aged names a source and says if it is old.
func aged(s price.Source, now weir.Instant) string {
	if s.Stale(now) {
		return s.String() + ", older than 90 days or of unknown age"
	}
	return s.String()
}
