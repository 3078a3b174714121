package gateway

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"strconv"
)

// secured is a caller's connection over TLS. It is wrapped in a frontConn to hide the
// *tls.Conn from net/http: HTTP/1 is then checked as without TLS, and HTTP/2 is
// detected by its preface. The protocol agreed by ALPN is not enforced.
//
// The first Read does the handshake, within the header's deadline, in the connection's
// own goroutine.
type secured struct {
	*tls.Conn
	surfaces surfaces
	log      *log.Logger
	shaken   bool
	failed   error
}

func (c *secured) Read(p []byte) (int, error) {
	if !c.shaken {
		c.shaken = true
		c.failed = c.shake()
	}
	if c.failed != nil {
		return 0, c.failed
	}
	return c.Conn.Read(p)
}

func (c *secured) shake() error {
	err := c.Handshake()
	if err == nil {
		return nil
	}
	c.log.Printf("TLS handshake with %s: %v", c.RemoteAddr(), err)
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil && beginsHTTP(plain.RecordHeader) {
		s := c.surfaces.locate("")
		answerPlain(plain.Conn, &s)
	}
	return io.EOF // the connection cannot carry an answer
}

// beginsHTTP says whether the first bytes, instead of TLS, are a plain HTTP request.
func beginsHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "DELET", "OPTIO", "PATCH":
		return true
	}
	return false
}

func answerPlain(c net.Conn, s *surface) {
	p, a := explain(&problem{is: errBadRequest, message: "this address serves HTTPS, but the request was plain HTTP: use https:// in the URL"})
	body := s.errorBody(p, a)
	io.WriteString(c, "HTTP/1.0 400 Bad Request\r\nContent-Type: application/json\r\nX-Weir-Fault: caller\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\nConnection: close\r\n\r\n"+string(body))
}
