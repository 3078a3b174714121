package faults

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
)

// HTTP/2 as an upstream speaks it, frame by frame (RFC 9113): enough of it to
// take one request after the other and to end connections as no library would.

const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4

	codeNoError       = 0x0
	codeInternalError = 0x2
	codeRefusedStream = 0x7
)

// frame writes one frame on a stream.
func (x *exchange) frame(kind, flags byte, stream uint32, payload string) error {
	head := make([]byte, 9, 9+len(payload))
	head[0], head[1], head[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	head[3], head[4] = kind, flags
	binary.BigEndian.PutUint32(head[5:], stream)
	return x.write(string(append(head, payload...)))
}

// serveHTTP2 answers the requests of one connection whose preface has come.
func (u *upstream) serveHTTP2(x exchange) error {
	if _, err := x.in.Discard(len(preface)); err != nil {
		return err
	}
	if err := x.frame(frameSettings, 0, 0, ""); err != nil {
		return err
	}
	var body strings.Builder
	for {
		kind, flags, stream, payload, err := x.readFrame()
		if err != nil {
			return err
		}
		switch kind {
		case frameSettings, framePing:
			if flags&flagAck == 0 {
				if kind == frameSettings {
					payload = nil
				}
				err = x.frame(kind, flagAck, 0, string(payload))
			}
		case frameData:
			body.Write(payload)
		}
		if err != nil {
			return err
		}
		if (kind == frameData || kind == frameHeaders) && flags&flagEndStream != 0 {
			one := x
			one.stream, one.asked = stream, &asked{path: "HTTP/2", body: body.String(), header: http.Header{}}
			if !one.play(u.enter(one.asked)) {
				return nil
			}
			body.Reset()
		}
	}
}

func (x *exchange) readFrame() (kind, flags byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(x.in, head[:]); err != nil {
		return 0, 0, 0, nil, err
	}
	n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if n > 1<<16 {
		return 0, 0, 0, nil, errors.New("a frame larger than was allowed")
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(x.in, payload)
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), payload, err
}

// begin2 sends a stream's headers. Their block is
// written by hand (RFC 7541): ":status 200" is entry 8 of the static table,
// content-type entry 31.
func begin2(x *exchange) error {
	const kind = "text/event-stream"
	x.status = "200"
	return x.frame(frameHeaders, flagEndHeaders, x.stream, "\x88\x0f\x10"+string(rune(len(kind)))+kind)
}

// data2 sends what other steps write as DATA.
func data2(steps ...step) step {
	return func(x *exchange) error {
		x.framed = true
		defer func() { x.framed = false }()
		return run(x, steps...)
	}
}

// end2 ends the stream as it should.
func end2(x *exchange) error { return x.frame(frameData, flagEndStream, x.stream, "") }

// goAway says that the connection will end; last is the last stream that was
// or will be worked on, less than the present one when this is not.
func goAway(last int, code uint32) step {
	return func(x *exchange) error {
		if x.status == "" {
			x.status = "GOAWAY"
		}
		payload := binary.BigEndian.AppendUint32(nil, uint32(int(x.stream)+last))
		return x.frame(frameGoAway, 0, 0, string(binary.BigEndian.AppendUint32(payload, code)))
	}
}

// resetStream ends the stream alone.
func resetStream(code uint32) step {
	return func(x *exchange) error {
		if x.status == "" {
			x.status = "RST_STREAM"
		}
		return x.frame(frameReset, 0, x.stream, string(binary.BigEndian.AppendUint32(nil, code)))
	}
}

// good2 is a good stream in HTTP/2.
var good2 = []step{begin2, data2(tokens(goodTokens), finish, usage(goodUsage), done), end2}
