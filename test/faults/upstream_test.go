package faults

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// upstream is an inference server that misbehaves on the wire: it reads HTTP
// requests off a TCP connection and writes whatever its script says.
type upstream struct {
	addr   string
	script script
	ln     net.Listener
	bound  int // a socket that is bound and does not listen, so that connecting to it is refused; 0: none

	mu      sync.Mutex
	seen    []*asked
	changed chan struct{} // closed and replaced when something of seen changes
	conns   map[net.Conn]bool
	stopped bool
	wg      sync.WaitGroup
	gate    chan struct{} // closed when requests held at it go on
}

// script is what an upstream does: its first request gets the first list of
// steps, and so on; the last list serves all that follow. No list at all: it
// refuses connections.
type script [][]step

// always is a script of one list.
func always(steps ...step) script { return script{steps} }

// or is s, or where there is none, always that.
func (s script) or(otherwise step) script {
	if s == nil {
		return always(otherwise)
	}
	return s
}

// asked is one request as the upstream saw it.
type asked struct {
	path, body string
	header     http.Header
	how        string // how it ended: the status it was told, "broke", "left"; "" as long as it goes on
	waiting    bool   // it has reached a step that waits for the other side
}

// newUpstream listens at addr (port 0: any) and serves until the test binary
// ends.
func newUpstream(addr string, s script) (*upstream, error) {
	u := &upstream{script: s, changed: make(chan struct{}), conns: map[net.Conn]bool{}, gate: make(chan struct{})}
	if len(s) == 0 {
		return u, u.refuse(addr)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	u.ln, u.addr = ln, ln.Addr().String()
	u.wg.Go(u.accept)
	return u, nil
}

// refuse binds a port and never listens at it: no other process gets it, and the
// kernel refuses every connection.
func (u *upstream) refuse(addr string) error {
	at, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	if u.bound, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err := syscall.Bind(u.bound, &syscall.SockaddrInet4{Port: at.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	name, err := syscall.Getsockname(u.bound)
	if err != nil {
		return err
	}
	u.addr = fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	return nil
}

func (u *upstream) accept() {
	for {
		c, err := u.ln.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.conns[c] = true
		stopped := u.stopped
		u.mu.Unlock()
		if stopped {
			c.Close()
			return
		}
		u.wg.Go(func() {
			u.serve(c)
			c.Close()
			u.mu.Lock()
			delete(u.conns, c)
			u.mu.Unlock()
		})
	}
}

// serve answers the requests of one connection until a step or the other side
// ends it.
func (u *upstream) serve(c net.Conn) {
	in := bufio.NewReader(c)
	if first, err := in.Peek(len("PRI ")); err == nil && string(first) == "PRI " {
		// An error is the other side's: it is in how its request ended.
		_ = u.serveHTTP2(exchange{u: u, c: c, in: in})
		return
	}
	for {
		q, err := http.ReadRequest(in)
		if err != nil {
			return // idle connections end so
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		if q.Method == http.MethodGet { // is it alive, what does it serve: no part of any scenario
			if _, err := io.WriteString(c, aliveAnswer); err != nil {
				return
			}
			continue
		}
		x := &exchange{u: u, c: c, in: in, asked: &asked{path: q.URL.RequestURI(), body: string(body), header: q.Header}}
		if !x.play(u.enter(x.asked)) {
			return
		}
	}
}

// aliveAnswer is what every GET gets; GETs are not counted.
const aliveBody = `{"object":"list","data":[{"id":"up","object":"model","created":1,"owned_by":"faults"}]}`

var aliveAnswer = head(200, []string{asJSON, "content-length: " + strconv.Itoa(len(aliveBody))}) + aliveBody

// enter notes a request and returns what it gets.
func (u *upstream) enter(a *asked) []step {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, a)
	u.tellLocked()
	return u.script[min(len(u.seen), len(u.script))-1]
}

func (u *upstream) tellLocked() {
	close(u.changed)
	u.changed = make(chan struct{})
}

func (u *upstream) note(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f()
	u.tellLocked()
}

// until waits for a fact about what was seen.
func (u *upstream) until(t testing.TB, what string, is func(seen []*asked) bool) {
	t.Helper()
	if !u.sees(patience, is) {
		t.Fatalf("the upstream never saw %s; it saw: %s", what, u.summary())
	}
}

// sees waits for a fact about what was seen, for so long.
func (u *upstream) sees(d time.Duration, is func(seen []*asked) bool) bool {
	deadline := time.After(d)
	for {
		u.mu.Lock()
		ok, changed := is(u.seen), u.changed
		u.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

// settled is true when no request goes on.
func settled(seen []*asked) bool {
	return !slices.ContainsFunc(seen, func(a *asked) bool { return a.how == "" })
}

// waiting is true when n requests have reached a step that waits.
func waiting(n int) func([]*asked) bool {
	return func(seen []*asked) bool {
		have := 0
		for _, a := range seen {
			if a.waiting {
				have++
			}
		}
		return have >= n
	}
}

// summary counts requests by how they ended: "2x 429, 1x left".
func (u *upstream) summary() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	count := map[string]int{}
	for _, a := range u.seen {
		how := a.how
		if how == "" {
			how = "going on"
		}
		count[how]++
	}
	if len(count) == 0 {
		return "not asked"
	}
	return counted(count)
}

func (u *upstream) requests() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.seen)
}

// open lets requests go on that are held, and all that come to where they were.
func (u *upstream) open() {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-u.gate:
	default:
		close(u.gate)
	}
}

// stop ends every connection and waits for their goroutines.
func (u *upstream) stop() {
	if u.bound != 0 {
		syscall.Close(u.bound)
		return
	}
	u.ln.Close()
	u.open()
	u.mu.Lock()
	u.stopped = true
	for c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	u.wg.Wait()
}

// exchange is one request being answered.
type exchange struct {
	u     *upstream
	c     net.Conn
	in    *bufio.Reader
	asked *asked

	status  string
	chunked bool
	framed  bool   // parts of the body are DATA frames of HTTP/2
	stream  uint32 // of HTTP/2
	closing bool   // the connection ends with the answer
}

// play runs the steps; false when the connection is over.
func (x *exchange) play(steps []step) bool {
	for _, s := range steps {
		if err := s(x); err != nil {
			how := "left"
			if errors.Is(err, errBroke) {
				how = "broke"
			}
			x.u.note(func() { x.asked.how = how })
			return false
		}
	}
	x.u.note(func() { x.asked.how = x.status })
	return !x.closing
}

// errBroke is returned by a step that ends the connection itself; any other
// error is the other side's doing.
var errBroke = errors.New("broken off as scripted")

func (x *exchange) write(s string) error {
	_, err := io.WriteString(x.c, s)
	return err
}
