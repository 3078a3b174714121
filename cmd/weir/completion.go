package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/fit"
	"weir/price/pricefile"
	"weir/scale/baseline"
	"weir/whatif"
)

// This file completes names in flags and arguments from the catalogue, in
// shells that have loaded `weir completion`.

// complete adds completions to every flag that names a model, GPU, policy,
// protocol or region.
func complete(root *cobra.Command) {
	words := map[string]func() []string{
		"gpu": catalogueGPUs, "policy": whatif.Policies, "protocol": func() []string { return []string{"openai", "anthropic"} },
		"task":   func() []string { return []string{"generate", "embed"} },
		"region": catalogueRegions, "estimate-from": catalogueRegions, "open-model": catalogueModels, "engine-model": catalogueModels,
		"quant": fit.Quants, "engine": fit.Engines, "with": baseline.Names,
	}
	models := map[string]func() []string{"plan": azureModels, "emulate": catalogueModels} // --model means different things
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for flag, names := range words {
			if cmd.Flags().Lookup(flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(flag, completing(names)) // a flag with its own completion keeps it
			}
		}
		if names := models[cmd.Name()]; names != nil {
			_ = cmd.RegisterFlagCompletionFunc("model", completing(names))
		}
		if cmd.Name() == "fit" {
			cmd.ValidArgsFunction = completing(catalogueModels)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// completing offers the names that begin with the typed text, in any case; in a
// list with commas, for its last entry.
func completing(names func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		last := strings.ToLower(typed[len(before):])
		var fitting []string
		for _, n := range names() {
			if strings.HasPrefix(strings.ToLower(n), last) || strings.HasPrefix(strings.ToLower(n[strings.LastIndexByte(n, '/')+1:]), last) {
				fitting = append(fitting, before+n)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

func catalogueGPUs() []string {
	prices, err := pricefile.Catalogue("")
	if err != nil {
		return nil
	}
	return prices.GPUNames()
}

func catalogueModels() (names []string) {
	if prices, err := pricefile.Catalogue(""); err == nil {
		for _, m := range prices.Models() {
			names = append(names, m.Name)
		}
	}
	return names
}

// azureModels are the models of Azure OpenAI with a price.
func azureModels() (names []string) {
	if prices, err := pricefile.Catalogue(""); err == nil {
		for _, t := range prices.AllTokens() {
			names = append(names, t.Model)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func catalogueRegions() (names []string) {
	if prices, err := pricefile.Catalogue(""); err == nil {
		for _, r := range prices.Regions() {
			names = append(names, r.Name)
		}
	}
	return names
}
