package main

import (
	"github.com/spf13/cobra"

	"weir/fit"
	"weir/fit/files"
	"weir/internal/whole"
	"weir/price"
	"weir/report"
)

func (f *fitFlags) runPack(cmd *cobra.Command, c *price.Catalogue) error {
	gpu, err := device(cmd, c, f.gpu, f.memory)
	if err != nil {
		return err
	}
	src, err := whole.Read(f.pack, files.MaxPack)
	if err != nil {
		return configError{err}
	}
	items, err := files.Pack(f.pack, src, c)
	if err != nil {
		return err
	}
	p, err := fit.Pack(gpu, items, f.headroom, f.mig)
	if err != nil {
		return err
	}
	if f.json {
		return report.JSON(cmd.OutOrStdout(), p, "  ")
	}
	return report.Packing(cmd.OutOrStdout(), p, gpu)
}
