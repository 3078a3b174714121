//go:build unix

package http1

import (
	"io"
	"net"
	"testing"
	"time"
)

// A process that was stopped finds its deadlines passed when it resumes: bytes that
// have arrived are read, except after the total limit.
func TestWhatCameBeforeALateDeadlineIsRead(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ours, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Write(make([]byte, 3*bufSize)); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	c := newConn(nil, ours)

	past := time.Now().Add(-time.Second)
	c.tcp.SetReadDeadline(past)
	for range 3 {
		if err := c.fill(); err != nil || c.w == 0 {
			t.Fatalf("a stall's deadline has passed, and bytes had come: have %d, %v", c.w, err)
		}
		c.drop()
	}
	if err := c.fill(); err != io.EOF {
		t.Errorf("a stall's deadline has passed, and the end had come: have %v, want io.EOF", err)
	}
	c.readBefore(time.Minute, past)
	if err := c.fill(); !isTimeout(err) {
		t.Errorf("the limit of the whole has passed: have %v, want a timeout", err)
	}
}
