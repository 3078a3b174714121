package main

import (
	"errors"

	"github.com/spf13/cobra"

	"weir/config"
	shared "weir/fit/files"
	"weir/internal/whole"
	"weir/manifest/files"
	"weir/price"
	"weir/price/pricefile"
)

func newManifest() *cobra.Command {
	var o files.Options
	var file, pack, gpu, prices string
	var headroom float64
	cmd := &cobra.Command{
		Use:   "manifest",
		Short: "Print the Kubernetes objects that serve the models of a weir.yaml",
		Long: `Manifest prints the workload and the Service of every deployment with kubernetes:
and its runs_on, for kubectl apply. The engine's arguments are those of "weir fit"; a
model that does not fit is refused. The workload says no number of replicas: Weir
writes it. A replica with more GPUs than a node is a LeaderWorkerSet.

With --pack it takes the models of "weir fit --pack" instead, each on a MIG slice.

` + exitHelp,
		Example: `  weir manifest -c weir.yaml | kubectl apply -f -
  weir manifest -c weir.yaml --deployment llama-70b --vm Standard_NC80adis_H100_v5
  weir manifest --pack models.yaml --gpu A100-SXM-80GB`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := pricefile.Catalogue(prices)
			if err != nil {
				return configError{err}
			}
			if pack == "" && gpu != "" || pack != "" && o.Deployment != "" {
				return usageError{cmd.CommandPath(), errors.New("--gpu is for --pack, --deployment for a weir.yaml, which says the GPU in runs_on")}
			}
			if pack != "" {
				return packed(cmd, c, pack, gpu, headroom, o)
			}
			weir, err := config.Open(file)
			if err != nil {
				return configError{err}
			}
			objects, err := files.Workloads(weir, c, o)
			if err != nil {
				return err
			}
			return objects.Write(cmd.OutOrStdout())
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&file, "config", "c", "weir.yaml", "configuration `file`")
	fs.StringVar(&o.Deployment, "deployment", "", "`name` of the only deployment to print")
	fs.StringVar(&o.VM, "vm", "", "VM `size` of the nodes (default: scaling.price.vm)")
	fs.StringVar(&o.Pool, "pool", "", "AKS node `pool`")
	fs.BoolVar(&o.Spot, "spot", false, "the nodes are spot VMs")
	fs.StringVar(&o.Image, "image", "", "container `image` of the engine (default: vLLM's own)")
	fs.StringVar(&o.Weights, "weights", "", "`claim`[/path] of a volume with the weights (default: the Hub)")
	fs.StringVar(&pack, "pack", "", "`file` of models that share GPUs")
	fs.StringVar(&gpu, "gpu", "", "with --pack: the `GPU`, from the catalogue")
	fs.Float64Var(&headroom, "headroom", 0.05, "with --pack: fraction of each slice kept free")
	fs.StringVar(&prices, "prices", "", "`file` of prices and shapes over the catalogue (default: those in your folder)")
	return cmd
}

func packed(cmd *cobra.Command, c *price.Catalogue, pack, name string, headroom float64, o files.Options) error {
	gpu, err := device(cmd, c, name, 0)
	if err != nil {
		return err
	}
	src, err := whole.Read(pack, shared.MaxPack)
	if err != nil {
		return configError{err}
	}
	objects, head, err := files.Packed(pack, src, gpu, headroom, c, o)
	if err != nil {
		return err
	}
	return objects.Write(cmd.OutOrStdout(), head...)
}
