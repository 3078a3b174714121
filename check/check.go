// Package check judges a valid configuration: settings that "weir serve" would
// refuse, that cannot work on the named hardware, or that cost more than
// allowed, and, on request, whether each upstream can be reached. Its findings
// are config's faults, with a position in the file. It fills in nothing and
// changes nothing.
package check

import (
	"context"
	"errors"

	"weir/config"
	"weir/price"
	"weir/wire"
)

// Judge returns the warnings about a valid configuration and, if simulate is
// set, the findings about its replicas, a line each. The error is a
// config.Faults if the configuration has faults.
func Judge(ctx context.Context, c *config.Config, prices *price.Catalogue, simulate bool) (warnings config.Faults, findings []string, err error) {
	warnings = c.Warnings
	if len(c.Unfinished) > 0 {
		return nil, nil, c.Unfinished
	}
	var missing config.Faults
	if err := c.Resolve(); errors.As(err, &missing) {
		warnings = append(warnings, missing...)
	} else if err != nil {
		return nil, nil, err
	}
	if err := wire.CheckQuotas(c); err != nil {
		return nil, nil, err
	}
	bad, tight := misfits(c, prices)
	bad = append(bad, wire.Unpriced(c)...)
	dear, bounded := unaffordable(c, prices)
	if bad = append(bad, dear...); len(bad) == 0 {
		bad = invalid(c, prices)
	}
	if len(bad) > 0 {
		return nil, nil, bad.InOrder()
	}
	warnings = append(append(warnings, tight...), bounded...)
	warnings = append(warnings, oddUnits(c, prices)...)
	if simulate {
		var found config.Faults
		if found, findings, err = unworkable(ctx, c, prices); err != nil {
			return nil, nil, err
		}
		warnings = instead(warnings, found)
	}
	return warnings.InOrder(), findings, nil
}
