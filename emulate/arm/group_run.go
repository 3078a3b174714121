package arm

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"weir/emulate"
)

// phaseAt is the group's state and, when it has ended, its exit code. A group
// that does not restart for ever ends after runFor. Its end is seen when the
// group is looked at.
func (r *resource) phaseAt(now time.Time) (state string, exit int) {
	switch {
	case r.op != nil && r.op.change.method == "start":
		return "Pending", 0
	case r.phase == "" && r.op == nil && r.state == "Failed":
		return "Failed", 0
	case r.phase == "":
		return "Pending", 0
	}
	if r.phase != "Running" {
		return r.phase, r.exit
	}
	span, code, ends := runFor(r.body)
	if !ends || now.Before(r.since.Add(span)) {
		return "Running", 0
	}
	if code != 0 {
		return "Failed", code
	}
	return "Succeeded", 0
}

// runFor is how long a group's containers run that does not restart: the seconds
// of a command "sleep N", or the variable EMULATE_RUN (5m) of a container; else
// two minutes. EMULATE_EXIT is the exit code (choice: no image is run).
func runFor(body object) (span time.Duration, exit int, ends bool) {
	if p := textAt(body, "properties", "restartPolicy"); p == "" || p == "Always" {
		return 0, 0, false
	}
	span = 2 * time.Minute
	list, _ := at(body, "properties", "containers").([]any)
	for _, v := range list {
		command, _ := at(v, "properties", "command").([]any)
		for i, word := range command {
			if word == "sleep" && i+1 < len(command) {
				if n, err := strconv.Atoi(fmt.Sprint(command[i+1])); err == nil && n >= 0 {
					span = time.Duration(n) * time.Second
				}
			}
		}
		variables, _ := at(v, "properties", "environmentVariables").([]any)
		for _, e := range variables {
			switch textAt(e, "name") {
			case "EMULATE_RUN":
				if d, err := time.ParseDuration(textAt(e, "value")); err == nil && d >= 0 {
					span = d
				}
			case "EMULATE_EXIT":
				exit, _ = strconv.Atoi(textAt(e, "value"))
			}
		}
	}
	return span, exit, true
}

// serveGroup listens at the group's own loopback address, at each port of its
// ipAddress, with an emulated inference server behind it.
func (c *Cloud) serveGroup(r *resource) {
	ports, _ := at(r.body, "properties", "ipAddress", "ports").([]any)
	if len(ports) == 0 || c.base == nil {
		return
	}
	if r.ip == "" {
		c.serial++
		r.ip = fmt.Sprintf("127.77.%d.%d", c.serial/250%250, 1+c.serial%250)
	}
	ctx, cancel := context.WithCancel(c.base)
	var open []io.Closer // servers, and their listeners in case they have not begun
	// The ports are free again when it returns.
	r.stop = func() {
		cancel()
		for _, o := range open {
			_ = o.Close()
		}
	}
	server, err := c.newServer()
	if err != nil {
		r.log(err.Error())
		return
	}
	c.running.Go(func() { _ = server.Run(ctx) })
	for _, p := range ports {
		port, _ := intAt(p, "port")
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(r.ip, strconv.Itoa(port)))
		if err != nil {
			r.log("port " + strconv.Itoa(port) + ": " + err.Error())
			continue
		}
		srv := &http.Server{Handler: readyFirst(server), ReadHeaderTimeout: 10 * time.Second}
		open = append(open, srv, l)
		c.running.Go(func() { <-ctx.Done(); _ = srv.Close(); _ = l.Close() })
		c.running.Go(func() { _ = srv.Serve(l) })
	}
}

// newServer is an emulated inference server that is loaded at once.
func (c *Cloud) newServer() (*emulate.Server, error) {
	o := c.o.Server
	o.Listen, o.Load, o.Log = "", time.Nanosecond, nil
	if o.Spec == nil {
		spec, err := c.spec()
		if err != nil {
			return nil, err
		}
		o.Spec = &spec
	}
	return emulate.New(o)
}

// maxLogs bounds the lines kept of a container.
const maxLogs = 1000

func (r *resource) log(line string) {
	r.logs = append(r.logs[max(0, len(r.logs)+1-maxLogs):len(r.logs):len(r.logs)], line)
}

func (r *resource) close() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// endGroups closes the ports of groups that have ended by themselves.
func (c *Cloud) endGroups(now time.Time) {
	for _, r := range c.resources {
		if r.phase == "Running" && r.kind.typ == groupType {
			if state, exit := r.phaseAt(now); state != "Running" {
				span, _, _ := runFor(r.body)
				r.phase, r.exit, r.until = state, exit, r.since.Add(span)
				r.close()
			}
		}
	}
}
