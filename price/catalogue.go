// Package price is the catalogue: GPUs, Azure VM sizes, open models, token and
// PTU prices, each figure with its source and date. The figures are data: YAML
// files embedded in the binary, one per kind, which a user's file overrides or
// adds to (Catalogue.Override).
//
// It holds properties and prices; fit, engine and plan say whether a model
// fits, how fast it is and what is cheapest. It knows no network: Retail reads
// pages of the public Azure Retail Prices API that its caller fetched.
//
// An unknown figure is reported as missing and never invented: a Figure or
// Price says whether it is Known, and Trail collects the sources a calculation
// used, the old ones and the missing figures.
package price

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
)

//go:embed *.yaml
var embedded embed.FS

// Catalogue holds all entries. It is immutable: Override returns another.
type Catalogue struct {
	sources   map[string]*Source
	regions   table[Region]
	gpus      table[GPU]
	vms       table[VM]
	vmPrices  table[VMPrice]
	models    table[Model]
	tokens    table[Tokens]
	ptus      table[PTU]
	ptuPrices table[PTUPrice]
	meters    table[Meter]

	services           table[Service]
	onlineEndpoints    table[OnlineEndpoint]
	batchEndpoints     table[BatchEndpoint]
	containerInstances table[ContainerInstance]
	redis              table[Redis]
	redisSizes         table[RedisSize]
}

// ErrUnknown: the catalogue has no entry of that name.
var ErrUnknown = errors.New("not in the catalogue")

// Default returns the catalogue embedded in the binary.
func Default() (*Catalogue, error) { return builtin() }

// builtin reads the embedded files once: a catalogue is immutable, and reading them
// takes longer than most of what is computed from it.
var builtin = sync.OnceValues(readEmbedded)

func readEmbedded() (*Catalogue, error) {
	c := &Catalogue{}
	entries, err := embedded.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("price: %w", err)
	}
	for _, e := range entries {
		text, err := embedded.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("price: %w", err)
		}
		if c, err = c.Override("embedded "+e.Name(), text); err != nil {
			return nil, err
		}
	}
	return c, c.Validate()
}

// GPU finds a GPU by one of its names ("H100-80GB").
func (c *Catalogue) GPU(name string) (GPU, error) { return c.gpus.find("GPU", name) }

// GPUs lists all, in the catalogue's order.
func (c *Catalogue) GPUs() []GPU { return slices.Clone(c.gpus.list) }

// VM finds an Azure VM size ("Standard_ND96isr_H100_v5", with or without the
// prefix).
func (c *Catalogue) VM(name string) (VM, error) { return c.vms.find("VM size", name) }

// VMs lists all, in the catalogue's order.
func (c *Catalogue) VMs() []VM { return slices.Clone(c.vms.list) }

// VMPrice is the price of a size in a region. A size without an entry there is
// ErrUnknown: it may be on sale, but its price is unknown.
func (c *Catalogue) VMPrice(vm, region string) (VMPrice, error) {
	v, err := c.VM(vm)
	if err != nil {
		return VMPrice{}, err
	}
	p, err := c.vmPrices.find("price of VM size in region", joined(v.Name, region))
	if err != nil {
		if _, none := c.Region(region); none != nil {
			return VMPrice{}, none
		}
	}
	return p, err
}

// VMPrices lists all, in the catalogue's order.
func (c *Catalogue) VMPrices() []VMPrice { return slices.Clone(c.vmPrices.list) }

// Model finds the shape of an open model by its name, with or without its
// owner ("meta-llama/Llama-3.1-8B", "Llama-3.1-8B").
func (c *Catalogue) Model(name string) (Model, error) { return c.models.find("model", name) }

// Models lists all, in the catalogue's order.
func (c *Catalogue) Models() []Model { return slices.Clone(c.models.list) }

// Tokens finds the token prices of an Azure OpenAI model for a deployment type
// ("GlobalStandard"): those of the region, or those of all regions.
func (c *Catalogue) Tokens(model, sku, region string) (Tokens, error) {
	if region != "" {
		if t, err := c.tokens.find("", joined(model, sku, region)); err == nil {
			return t, nil
		}
	}
	return c.tokens.find("token price of model and deployment type", joined(model, sku))
}

// AllTokens lists all token prices, in the catalogue's order.
func (c *Catalogue) AllTokens() []Tokens { return slices.Clone(c.tokens.list) }

// Meter finds the meaning of an Azure meter, by its exact name.
func (c *Catalogue) Meter(name string) (Meter, error) { return c.meters.find("meter", name) }

// PTU finds the capacity of one provisioned throughput unit for a model.
func (c *Catalogue) PTU(model string) (PTU, error) { return c.ptus.find("PTU sizing of model", model) }

// PTUs lists all, in the catalogue's order.
func (c *Catalogue) PTUs() []PTU { return slices.Clone(c.ptus.list) }

// PTUPrice finds the price of one PTU of a deployment type
// ("GlobalProvisionedManaged"): that of the region, or that of all regions.
func (c *Catalogue) PTUPrice(sku, region string) (PTUPrice, error) {
	if region != "" {
		if p, err := c.ptuPrices.find("", joined(sku, region)); err == nil {
			return p, nil
		}
	}
	return c.ptuPrices.find("PTU price of deployment type", sku)
}

// PTUPrices lists all, in the catalogue's order.
func (c *Catalogue) PTUPrices() []PTUPrice { return slices.Clone(c.ptuPrices.list) }

// SourceOf is the source of that ID; the zero Source if there is none.
func (c *Catalogue) SourceOf(id string) Source { return sourceOf(c.sources[id]) }

// Sources lists all sources, by ID.
func (c *Catalogue) Sources() []Source {
	var all []Source
	for _, id := range slices.Sorted(maps.Keys(c.sources)) {
		all = append(all, *c.sources[id])
	}
	return all
}

// Validate checks references between files: GPUs of VM sizes, sizes of prices,
// services of details.
func (c *Catalogue) Validate() error {
	var faults []error
	for _, v := range c.vms.list {
		if _, err := c.GPU(v.GPU); err != nil {
			faults = append(faults, fmt.Errorf("price: VM size %s: %w", v.Name, err))
		}
	}
	for _, p := range c.vmPrices.list {
		if _, err := c.VM(p.VM); err != nil {
			faults = append(faults, fmt.Errorf("price: %w", err))
		}
	}
	for _, err := range c.validateServices() {
		faults = append(faults, fmt.Errorf("price: %w", err))
	}
	return errors.Join(faults...)
}

// table is the entries of one kind in order, found by key.
type table[T any] struct {
	list []T
	at   map[string]int // by lower-case name
}

func (t *table[T]) find(what, name string) (T, error) {
	if i, ok := t.at[strings.ToLower(name)]; ok {
		return t.list[i], nil
	}
	var none T
	return none, fmt.Errorf("%s %s is %w%s: check the name, or add it to your price file",
		what, strings.ReplaceAll(name, separator, ", "), ErrUnknown, t.near(name))
}

// alike scores a known name against the one asked for: the length of the common
// beginning; a misspelling, with or without the publisher, scores above any
// common beginning.
func alike(known, asked string) int {
	if len(asked) > 100 {
		return 0
	}
	want, most := letters(asked), len(letters(asked))/4
	for _, name := range []string{known, known[strings.LastIndexByte(known, '/')+1:]} {
		if d := distance(want, letters(name)); d <= most {
			return 1000 - d
		}
	}
	return commonPrefix(letters(known), want)
}

// near suggests up to three names most like the one asked for.
func (t *table[T]) near(name string) string {
	type candidate struct {
		name   string
		common int
	}
	var all []candidate
	for known := range t.at {
		if n := alike(known, name); n >= 3 {
			all = append(all, candidate{known, n})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.common, a.common), cmp.Compare(a.name, b.name)) })
	var names []string
	for _, c := range all[:min(3, len(all))] {
		names = append(names, strings.ReplaceAll(c.name, separator, ", "))
	}
	if len(names) == 0 {
		return ""
	}
	return " (near: " + strings.Join(names, "; ") + ")"
}

// letters are only a name's letters and digits: gpt4o begins as gpt-4o does.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// separator joins the parts of a key; no name contains it.
const separator = "\x00"

func joined(parts ...string) string { return strings.Join(parts, separator) }
