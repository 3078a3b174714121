// Command weir stands between the callers of models and everything that can
// serve them, and keeps the load on capacity that fits.
//
//	weir serve      the gateway, the scaler and what they need, in one process
//	weir check      is this weir.yaml right, and what is not
//	weir emulate    a process that behaves as an inference server does
//	weir key        make API keys and their hashes
//	weir version    what this binary was built from
//
// This file ends the process; root.go lists the subcommands, and each has a
// file of its own.
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
