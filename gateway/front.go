package gateway

import (
	"bytes"
	"crypto/tls"
	"log"
	"net"
	"strconv"
	"strings"
)

// frontListener wraps each caller's connection in a frontConn.
type frontListener struct {
	net.Listener
	surfaces  surfaces
	maxHeader int
	tls       *tls.Config // nil: plain HTTP
	log       *log.Logger
}

func (l frontListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.tls != nil {
		c = l.secure(c)
	}
	return &frontConn{Conn: c, surfaces: l.surfaces, maxHeader: l.maxHeader}, nil
}

func (l frontListener) secure(c net.Conn) net.Conn {
	return &secured{Conn: tls.Server(c, l.tls), surfaces: l.surfaces, log: l.log}
}

// frontConn is a caller's connection between the network and net/http. It checks the
// framing of requests, and rewrites net/http's own error answers in the words of the
// called API.
type frontConn struct {
	net.Conn
	surfaces  surfaces
	maxHeader int
	frame     frame
	fault     error // the framing fault; nothing more is read
	poisoned  int   // bytes of poison already read
}

// poison replaces badly framed input: it is invalid in a head, a chunk and a trailer,
// wherever it appears. An error instead would also end an earlier request that is still
// being answered. maxPoison ends it.
const (
	poison    = "\x00\r\n\r\n"
	maxPoison = 1 << 10
)

func (c *frontConn) Read(p []byte) (int, error) {
	if c.fault != nil {
		return c.poison(p)
	}
	n, err := c.Conn.Read(p)
	sound, fault := c.frame.see(p[:n])
	if fault == nil {
		return n, err
	}
	c.fault = fault
	if sound == 0 {
		return c.poison(p)
	}
	return sound, nil
}

func (c *frontConn) poison(p []byte) (int, error) {
	if c.poisoned >= maxPoison {
		return 0, c.fault
	}
	n := copy(p, poison[c.poisoned%len(poison):])
	c.poisoned += n
	return n, nil
}

// CloseWrite lets net/http end only its own side and wait a moment. A refused caller
// that still sends would lose the answer if the connection were closed at once.
func (c *frontConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// plainHead is how net/http begins its own error answers, after the status. No
// handler's answer has only these two headers.
const plainHead = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

const maxPlain = 512 // bytes of such an answer

func (c *frontConn) Write(p []byte) (int, error) {
	if len(p) < maxPlain && bytes.HasPrefix(p, []byte("HTTP/1.1 4")) {
		if head, text, ok := strings.Cut(string(p), plainHead); ok {
			if _, err := c.Conn.Write(c.answer(head, text)); err != nil {
				return 0, err
			}
			return len(p), nil
		}
	}
	return c.Conn.Write(p)
}

// answer rewrites one of net/http's own answers.
func (c *frontConn) answer(head, text string) []byte {
	p := &problem{is: errBadRequest, message: errBadRequest.Error()}
	switch _, why, said := strings.Cut(text, ": "); {
	case strings.HasPrefix(head, "HTTP/1.1 431"):
		p = largeHeader(c.maxHeader)
	case c.fault != nil:
		p.message = c.fault.Error()
	case said:
		p.message += ": " + why
	}
	path, _, _ := strings.Cut(string(c.frame.target[:c.frame.named]), "?")
	return c.surfaces.refusal(path, p)
}

func largeHeader(most int) *problem {
	return &problem{is: errLargeHeader, message: "the request header is larger than the limit of " + strconv.Itoa(most) + " bytes (max_header)"}
}

// refusal is the whole answer to a request that is not valid HTTP.
func (all surfaces) refusal(path string, p *problem) []byte {
	p, a := explain(p)
	s := all.locate(path)
	body, reason := s.errorBody(p, a), "Bad Request"
	if a.status == 431 {
		reason = "Request Header Fields Too Large"
	}
	return append([]byte("HTTP/1.1 "+strconv.Itoa(a.status)+" "+reason+"\r\nContent-Type: application/json\r\nX-Weir-Fault: "+a.fault.String()+
		"\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\nConnection: close\r\n\r\n"), body...)
}
