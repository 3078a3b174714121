package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/demo"
	"weir/internal/memory"
	"weir/node"
	"weir/observe"
	"weir/price"
	"weir/price/pricefile"
	"weir/wire"
	"weir/wire/emulated"
)

// serveFlags override the file.
type serveFlags struct {
	file    string
	listen  string
	admin   string
	state   string
	gateway string
	demo    bool
	emulate bool

	tried *emulated.Tried // with emulate: the emulated configuration
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve callers, and scale the replicas with the load",
		Long: `Serve runs the gateway and the scaler in one process.

Without a file it serves two models on emulated replicas of this machine, makes
a key for the tenant "demo" and prints it. With a file it serves the
models of the file, on Azure OpenAI deployments, OpenAI-compatible servers, or
servers it starts itself.

With --emulate every upstream of the file is replaced by an emulated server on this
machine: an Azure OpenAI resource with its PTUs, quotas, names and refusals, or an
inference server with its model's name, context and width. It prints what is not
emulated. Usage and decisions go to .weir/emulate.

SIGHUP, or POST /admin/reload at the admin address, reloads the file: a valid file
is swapped in without losing a request, an invalid one changes nothing.
SIGINT or SIGTERM stops: new requests are refused, those in flight may finish
within server.drain_timeout, then streams end with an error event.

` + exitHelp,
		Example: `  weir serve                      # two emulated models, nothing else needed
  weir serve --demo               # the same, under ten minutes of a real trace
  weir serve -c weir.yaml
  weir serve -c weir.yaml --emulate   # the same configuration before emulated servers: no GPU, cloud or secret`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd, f) },
	}
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "configuration `file`; none: the built-in demonstration")
	cmd.Flags().StringVar(&f.listen, "listen", "", "`address` for callers, overrides server.listen; a port alone means 127.0.0.1")
	cmd.Flags().StringVar(&f.admin, "admin", "", "`address` for operators, overrides admin.listen; any but loopback needs admin.token in the file")
	cmd.Flags().StringVar(&f.state, "state", "", "`folder` for replicas' state, and for the built-in demonstration's ledger and journal (default \".weir\")")
	cmd.Flags().StringVar(&f.gateway, "gateway", "", "`name` of this gateway among those on one database, overrides store.gateway")
	cmd.Flags().BoolVar(&f.demo, "demo", false, "play ten minutes of a real trace to the built-in demonstration and draw the replicas")
	cmd.Flags().BoolVar(&f.emulate, "emulate", false, "replace every upstream of the file by an emulated server on this machine")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

func serve(cmd *cobra.Command, f serveFlags) error {
	if f.demo && f.file != "" {
		return usageError{cmd.CommandPath(), fmt.Errorf("--demo needs the built-in demonstration: remove -c")}
	}
	if f.emulate && f.file == "" {
		return usageError{cmd.CommandPath(), fmt.Errorf("--emulate needs a file: without one everything is already emulated")}
	}
	if f.emulate {
		f.tried = new(emulated.Tried)
	}
	load, key, end, err := f.loader()
	if err != nil {
		return err
	}
	defer end()
	c, err := load()
	if err != nil {
		return configError{err}
	}
	memory.Limit()
	n, err := f.node(c, load, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	demo.Welcome(cmd.OutOrStdout(), n, c, key, f.tried)
	if f.demo {
		d := demo.Demo{Out: cmd.OutOrStdout(), Key: key, Node: n, Config: c}
		return n.Run(cmd.Context(), d.Run)
	}
	return n.Run(cmd.Context(), nil)
}

// node makes the node for a configuration.
func (f serveFlags) node(c *config.Config, load func() (*config.Config, error), log io.Writer) (*node.Node, error) {
	prices := func() (*price.Catalogue, error) { return pricefile.Catalogue("") }
	o, err := wire.Node(c, load, prices, f.stateDir())
	if err != nil {
		return nil, err
	}
	b := readBuild()
	o.LogTo, o.Build = log, observe.Build{Version: b.version, Revision: b.commit, Go: b.goVersion}
	return node.New(o)
}

// stateDir is separate with emulate: none of its state reaches a real run.
func (f serveFlags) stateDir() string {
	if f.emulate {
		return cmp.Or(f.state, filepath.Join(".weir", "emulate"))
	}
	return cmp.Or(f.state, ".weir")
}

// loader returns the func that reads the configuration, at the start and at
// each reload, the key made for the demonstration ("" with a file), and the
// func that ends the emulated servers.
func (f serveFlags) loader() (load func() (*config.Config, error), key string, end func(), err error) {
	over, end := f.overrides(), func() {}
	if f.file != "" && !f.emulate {
		return func() (*config.Config, error) { return config.Load(f.file, over...) }, "", end, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, "", end, fmt.Errorf("emulated replicas are this program started again: %w", err)
	}
	key = config.NewKey()
	hash := config.HashKey(key)
	if f.emulate {
		prices, err := pricefile.Catalogue("")
		if err != nil {
			return nil, "", end, err
		}
		e := emulated.New(exe, prices)
		return func() (*config.Config, error) { return f.emulated(e, hash) }, key, e.Close, nil
	}
	return func() (*config.Config, error) {
		c, err := config.Default(exe, hash, over...)
		if err != nil {
			return nil, err
		}
		c.Store.Path = filepath.Join(f.stateDir(), c.Store.Path)
		c.Journal.Path = filepath.Join(f.stateDir(), c.Journal.Path)
		return c, nil
	}, key, end, nil
}

// emulated reads the file, without its secrets, and emulates everything it
// describes.
func (f serveFlags) emulated(e *emulated.Emulation, key config.KeyHash) (*config.Config, error) {
	c, err := config.Open(f.file, f.overrides()...)
	if err != nil {
		return nil, err
	}
	c.Store.Path = filepath.Join(f.stateDir(), filepath.Base(c.Store.Path))
	c.Journal.Path = filepath.Join(f.stateDir(), filepath.Base(c.Journal.Path))
	*f.tried, err = e.Emulate(c, key)
	return c, err
}

// overrides are the flags that override the file.
func (f serveFlags) overrides() []config.Override {
	return []config.Override{
		{Name: "--listen", Key: "server.listen", Value: f.listen},
		{Name: "--admin", Key: "admin.listen", Value: f.admin},
		{Name: "--gateway", Key: "store.gateway", Value: f.gateway},
	}
}
