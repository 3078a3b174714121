// Command weir stands between the callers of models and everything that can
// serve them, and keeps the load on capacity that fits.
//
//	weir serve      the gateway and the scaler, in one process
//	weir check      checks a weir.yaml and lists its faults
//	weir emulate    a process that behaves as an inference server does
//	weir key        makes API keys and their hashes
//	weir version    the version and source of this binary
//
// This file ends the process; root.go lists the subcommands, and each has its
// own file.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
