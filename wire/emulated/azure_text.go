package emulated

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/emulate"
	"weir/price"
)

// AzureDeployments reads the --deployment flags. The capacity of a model's PTU
// comes from the catalogue of prices and sizes.
func AzureDeployments(flags []string) ([]emulate.AzureDeployment, error) {
	catalogue, err := price.Default()
	if err != nil {
		return nil, err
	}
	var ds []emulate.AzureDeployment
	var wrong []error
	for _, flag := range flags {
		d, err := azureDeployment(flag, catalogue)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("--deployment %s: %w", flag, err))
		}
		ds = append(ds, d)
	}
	return ds, errors.Join(wrong...)
}

// azureDeployment reads "name=gpt-4o-ptu,sku=ProvisionedManaged,ptu=100,model=gpt-4o".
func azureDeployment(flag string, catalogue *price.Catalogue) (d emulate.AzureDeployment, err error) {
	set := map[string]func(string) error{
		"name":        azureText(&d.Name),
		"model":       azureText(&d.Model),
		"sku":         azureText(&d.SKU),
		"spillover":   azureText(&d.Spillover),
		"ptu":         azureCount(&d.PTU),
		"tpm":         azureCount(&d.TPM),
		"rpm":         azureCount(&d.RPM),
		"context":     azureCount(&d.Context),
		"max-prompt":  azureCount(&d.MaxPrompt),
		"window":      func(s string) error { d.Window, err = time.ParseDuration(s); return err },
		"utilisation": func(s string) error { d.Utilisation, err = strconv.ParseBool(s); return err },
	}
	for part := range strings.SplitSeq(flag, ",") {
		key, value, _ := strings.Cut(part, "=")
		take := set[key]
		if take == nil {
			return d, fmt.Errorf("%q: want name, model, sku, ptu, tpm, rpm, spillover, context, max-prompt, window or utilisation, as key=value", key)
		}
		if err := take(value); err != nil {
			return d, fmt.Errorf("%s: %w", key, err)
		}
	}
	if d.PTU == 0 {
		return d, nil
	}
	return d, sizePTU(&d, catalogue)
}

func azureText(to *string) func(string) error {
	return func(s string) error { *to = s; return nil }
}

// azureCount reads a number with an optional k or M.
func azureCount(to *int) func(string) error {
	return func(s string) error {
		digits, unit := s, 1
		switch {
		case strings.HasSuffix(s, "k"):
			digits, unit = s[:len(s)-1], 1000
		case strings.HasSuffix(s, "M"):
			digits, unit = s[:len(s)-1], 1_000_000
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 0 || n > 1_000_000_000/unit {
			return fmt.Errorf("%q: want a number such as 100, 450k or 2M, at most a billion", s)
		}
		*to = n * unit
		return nil
	}
}

// sizePTU fills in the catalogue's figures for the model's PTUs.
func sizePTU(d *emulate.AzureDeployment, catalogue *price.Catalogue) error {
	p, err := catalogue.PTU(d.Model)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		to   *float64
		from price.Figure
	}{{&d.InputTPM, p.InputTPM}, {&d.OutputWeight, p.OutputWeight}} {
		if *f.to, err = f.from.Get(); err != nil {
			return err
		}
	}
	d.CachedWeight, d.TokensPerSecond = p.CachedWeight.Value(), p.Speed.Value() // unknown: the emulator's own
	if d.MaxPrompt == 0 {
		d.MaxPrompt = p.MaxPrompt
	}
	return nil
}
