// Package demo is the output of `weir serve` for a user who tries it: the next
// steps, and a recorded trace played at the built-in demonstration, with a
// drawing of its replicas. It sees the running node through five methods.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"weir"
	"weir/config"
	"weir/load"
	"weir/report/words"
	"weir/trace"
	"weir/wire"
)

// The demonstration plays ten recorded minutes in two.
const (
	demoSpeed = 5
	demoModel = "demo-chat"
)

// Node is the running node.
type Node interface {
	Callers() net.Addr   // address for callers
	Operators() net.Addr // admin address
	Replicas(ctx context.Context, deployment string) ([]weir.Replica, error)
	Load(deployment string) (waiting, inFlight int)
	LogAccess(on bool)
}

// Demo plays a recorded trace at its own node and draws, line by line, how the
// replicas follow.
type Demo struct {
	Out    io.Writer
	Key    string // of a tenant that may call the demonstration's model
	Node   Node
	Config *config.Config // the node's: config.Default's
}

// Run ends soon after the trace: when the replicas are back at their first
// number, or a countdown is over. It is an error if requests were not answered.
func (d Demo) Run(ctx context.Context) error {
	d.Node.LogAccess(false) // three thousand lines would hide the picture
	deployment := demoModel + "/emulated"
	if err := d.await(ctx, deployment, "the first replica", func(rs []weir.Replica) bool { return weir.CountReady(rs) > 0 }); err != nil {
		return err
	}
	recorded, err := trace.AzureConversation()
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "playing ten minutes of a recorded Azure conversation service at %dx\n\n", demoSpeed)
	fmt.Fprintf(d.Out, "%6s %8s  %-24s %8s %10s %12s  %s\n", "time", "sent/s", "replicas (# ready, + starting, - draining)", "waiting", "in flight", "first token", "so far")
	m := d.Config.Models[0]
	sent := 0
	result, err := load.Play(ctx, load.Options{
		URL: "http://" + reachable(d.Node.Callers()), Key: d.Key, Model: demoModel,
		Source: trace.Faster(recorded, demoSpeed), SLO: load.SLO(m.SLO),
		Progress: func(p load.Progress) {
			d.draw(deployment, p, p.Sent-sent)
			sent = p.Sent
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "\n%s\n", result)
	if err := d.settle(ctx, deployment, wire.Scaling(&m.Deployments[0])); err != nil {
		return err
	}
	fmt.Fprintln(d.Out, "\nwhy, decision by decision: the log above, or the journal", d.Config.Journal.Path)
	if result.Failed > 0 || result.Refused > 0 || result.Skipped > 0 {
		return fmt.Errorf("%d requests failed, %d were refused, %d were not sent: none should", result.Failed, result.Refused, result.Skipped)
	}
	return nil
}

// draw prints one line of the picture.
func (d Demo) draw(deployment string, p load.Progress, sent int) {
	rs, err := d.Node.Replicas(context.Background(), deployment)
	if err != nil {
		return // the node is stopping
	}
	at := (p.Elapsed * demoSpeed).Round(time.Second)
	waiting, inFlight := d.Node.Load(deployment)
	fmt.Fprintf(d.Out, "%6s %8d  %-42s %8d %10d %12s  %d completed, %d refused, %d failed\n",
		fmt.Sprintf("%d:%02d", int(at.Minutes()), int(at.Seconds())%60), sent, picture(rs), waiting, inFlight,
		p.RecentTTFT.Round(time.Millisecond), p.Completed, p.Refused, p.Failed)
}

// picture draws one character per replica.
func picture(rs []weir.Replica) string {
	signs := map[weir.ReplicaState]string{weir.Ready: "#", weir.Starting: "+", weir.Draining: "-", weir.Failed: "x"}
	var b strings.Builder
	for _, state := range []weir.ReplicaState{weir.Ready, weir.Starting, weir.Draining, weir.Failed} {
		for _, r := range rs {
			if r.State == state {
				b.WriteString(signs[state])
			}
		}
	}
	return b.String()
}

// demoAfter is how long the demonstration shows the replicas after the trace,
// every demoShows.
const (
	demoAfter = 75 * time.Second
	demoShows = 5 * time.Second
)

// settle shows how the replicas go back to the minimum, with a countdown. It
// ends when they have, or the time is over.
func (d Demo) settle(ctx context.Context, deployment string, s *config.Scaling) error {
	fmt.Fprintf(d.Out, "\nno more requests: replicas stop one by one after %v of low load (scaling.scale_in_after)\n", s.ScaleInAfter)
	for left := demoAfter; ; left -= demoShows {
		rs, err := d.Node.Replicas(ctx, deployment)
		if err != nil {
			return err
		}
		if len(rs) <= s.Min {
			fmt.Fprintf(d.Out, "  %-24s back to %s\n", picture(rs), words.Count(s.Min, "replica"))
			return nil
		}
		if left <= 0 {
			fmt.Fprintf(d.Out, "  %-24s the demonstration ends here; weir serve would let %d more go\n", picture(rs), len(rs)-s.Min)
			return nil
		}
		fmt.Fprintf(d.Out, "  %-24s ends in %d:%02d at the latest\n", picture(rs), int(left.Minutes()), int(left.Seconds())%60)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(demoShows):
		}
	}
}

// demoPatience bounds each wait of the demonstration.
const demoPatience = 10 * time.Minute

// await looks at the replicas until cond holds.
func (d Demo) await(ctx context.Context, deployment, what string, cond func([]weir.Replica) bool) error {
	fmt.Fprintf(d.Out, "waiting for %s\n", what)
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		rs, err := d.Node.Replicas(ctx, deployment)
		if err != nil {
			return err
		}
		if cond(rs) {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("waited %v for %s without success: see the log above", demoPatience, what)
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}
