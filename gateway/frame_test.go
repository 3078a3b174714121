package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// raw sends bytes over its own connection and returns the statuses of the answers, and
// the last body, until the gateway closes it or has sent the wanted number of answers.
func (r *running) raw(t *testing.T, text string, want int) (statuses []int, body string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimPrefix(r.url, "https://"), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(r.url, "https:") {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(c, text)
	in := bufio.NewReader(c)
	for len(statuses) < want {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			break
		}
		b, _ := io.ReadAll(resp.Body)
		statuses, body = append(statuses, resp.StatusCode), string(b)
	}
	return statuses, body
}

func TestRequestsThatTwoCouldFrameDifferentlyAreRefused(t *testing.T) {
	b := newBackend(t, answering)
	onBothFronts(t, func(t *testing.T) {
		t.Run("plain", func(t *testing.T) { framesSoundly(t, start(t, config(b.URL))) })
		t.Run("TLS", func(t *testing.T) { framesSoundly(t, startTLS(t, config(b.URL))) })
	})
}

// onBothFronts runs a test with net/http and with package front before the gateway. With
// WEIR_FRONT=own in the environment every test of this package has the second.
func onBothFronts(t *testing.T, test func(t *testing.T)) {
	for _, front := range []string{"standard", "own"} {
		t.Run(front, func(t *testing.T) {
			t.Setenv("WEIR_FRONT", front)
			test(t)
		})
	}
}

// startTLS is start over TLS.
func startTLS(t *testing.T, c Config) *running {
	t.Helper()
	certFile, keyFile := writeCert(t, t.TempDir(), 1)
	r := start(t, c, func(o *Options) { o.Listen.CertFile, o.Listen.KeyFile = certFile, keyFile })
	r.url = strings.Replace(r.url, "http:", "https:", 1)
	return r
}

func framesSoundly(t *testing.T, r *running) {
	head := "POST " + chatPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testKey + "\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(chatBody))
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(chatBody), chatBody)
	sound := head + length + "\r\n" + chatBody
	const te = "Transfer-Encoding: chunked\r\n"
	f := func(name, text string, want ...int) {
		t.Helper()
		statuses, body := r.raw(t, text, len(want))
		if fmt.Sprint(statuses) != fmt.Sprint(want) {
			t.Errorf("%s: %v %s, want %v", name, statuses, body, want)
		}
		if want[len(want)-1] == 400 && !strings.Contains(body, `{"error":{"message":`) {
			t.Errorf("%s: %s", name, body)
		}
	}
	f("two that are sound", sound+sound, 200, 200)
	f("chunks", head+te+"\r\n"+chunks+head+te+"\r\n"+chunks+sound, 200, 200, 200)
	f("chunks with extensions and a trailer", head+te+"\r\n"+fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\nX-T: 1\r\n\r\n", len(chatBody), chatBody)+sound, 200, 200)
	f("HTTP/1.0", strings.Replace(sound, "HTTP/1.1", "HTTP/1.0", 1), 200)
	f("no body", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"+sound, 200, 200)

	f("length and chunks", head+length+te+"\r\n"+chunks, 400)
	f("chunks and length", head+te+length+"\r\n"+chunks, 400)
	f("chunks and no length", head+te+"Content-Length: 0\r\n\r\n"+chunks, 400)
	f("behind a sound one", sound+head+length+te+"\r\n"+chunks, 200, 400)
	f("two lengths that agree", head+length+length+"\r\n"+chatBody, 400)
	f("two lengths in one line", head+"Content-Length: 5, 5\r\n\r\n"+chatBody, 400)
	f("a length with a sign", head+"Content-Length: +5\r\n\r\n"+chatBody, 400)
	f("a length that is none", head+"Content-Length: \r\n\r\n", 400)
	f("a line that is continued", head+"X-A: b\r\n c\r\n"+length+"\r\n"+chatBody, 400)
	f("a length that is continued", head+"Content-Length:\r\n "+fmt.Sprint(len(chatBody))+"\r\n\r\n"+chatBody, 400)
	f("a line that ends with LF", head+"X-A: b\n"+length+"\r\n"+chatBody, 400)
	f("a head that ends with LF", head+length+"\n"+chatBody, 400)
	f("a request line that ends with LF", strings.Replace(sound, " HTTP/1.1\r\n", " HTTP/1.1\n", 1), 400)
	f("all lines with LF", strings.ReplaceAll(head+length+"\r\n", "\r\n", "\n")+chatBody, 400)
	f("a CR inside a line", head+"X-A: b\rX-B: c\r\n"+length+"\r\n"+chatBody, 400)
	f("a blank before the colon", head+"Content-Length : 5\r\n\r\n"+chatBody, 400)
	f("a name that is none", head+": x\r\n\r\n", 400)
	f("a line without a colon", head+"nonsense\r\n\r\n", 400)
	f("chunks of HTTP/1.0", strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1)+te+"\r\n"+chunks, 400)
	f("chunks twice", head+te+te+"\r\n"+chunks, 400)
	f("another coding", head+"Transfer-Encoding: gzip, chunked\r\n\r\n"+chunks, 400)
	f("chunks in words", head+"Transfer-Encoding: xchunked\r\n\r\n"+chunks, 400)
	f("chunks with another K", head+"Transfer-Encoding: chun\u212aed\r\n\r\n"+chunks, 400)
	f("a chunk line that ends with LF", head+te+"\r\n"+strings.Replace(chunks, "\r\n", "\n", 1), 400)
	f("an extension with a LF", head+te+"\r\n"+strings.Replace(chunks, "\r\n", ";a\nb\r\n", 1), 400)
	f("a chunk size that is none", head+te+"\r\n0x5\r\nhello\r\n0\r\n\r\n", 400)
	f("a chunk longer than it says", head+te+"\r\n2\r\nabc\r\n0\r\n\r\n", 400)
	f("a chunk size too large", head+te+"\r\nfffffffffffffffff\r\n", 400)
	f("HTTP/2 after a request", sound+"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 200, 400)
	r.settled()
}

func TestPlainHTTPToAnAddressOfHTTPSIsTold(t *testing.T) {
	onBothFronts(t, plainHTTPToAnAddressOfHTTPSIsTold)
}

func plainHTTPToAnAddressOfHTTPSIsTold(t *testing.T) {
	t.Helper()
	r := startTLS(t, config("http://127.0.0.1:1"))
	r.url = strings.Replace(r.url, "https:", "http:", 1)
	for _, line := range []string{"GET /v1/models", "POST " + chatPath, "OPTIONS " + chatPath} {
		statuses, body := r.raw(t, line+" HTTP/1.1\r\nHost: x\r\n\r\n", 1)
		if fmt.Sprint(statuses) != "[400]" || !strings.Contains(body, "https://") || !strings.Contains(body, `{"error":{"message":`) {
			t.Errorf("%s: %v %s", line, statuses, body)
		}
	}
	if statuses, body := r.raw(t, "SSH-2.0-x\r\n", 1); len(statuses) != 0 {
		t.Errorf("%v %s", statuses, body)
	}
}

// net/http's own answers have the API's shape too.
func TestRequestsThatAreNotHTTPGetAnAnswerOfTheAPI(t *testing.T) {
	onBothFronts(t, requestsThatAreNotHTTPGetAnAnswerOfTheAPI)
}

func requestsThatAreNotHTTPGetAnAnswerOfTheAPI(t *testing.T) {
	t.Helper()
	r := start(t, config("http://127.0.0.1:1"), func(o *Options) { o.Listen.MaxHeaderBytes = 8 << 10 })
	f := func(text string, status int, has ...string) {
		t.Helper()
		statuses, body := r.raw(t, text, 1)
		if len(statuses) != 1 || statuses[0] != status {
			t.Errorf("%.60q: %v %s", text, statuses, body)
		}
		for _, h := range has {
			if !strings.Contains(body, h) {
				t.Errorf("%.60q: %s is not in %s", text, h, body)
			}
		}
	}
	large := "X: " + strings.Repeat("x", 20_000) + "\r\n\r\n"
	f("POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\n"+large, 431, `{"type":"error","error":{"type":"invalid_request_error"`, "8192 bytes", "max_header")
	f("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"+large, 431, `{"error":{"message":"`, `"code":"request_header_too_large"`)
	f("POST /openai/deployments/m/chat/completions HTTP/1.1\r\nHost: x\r\n"+large, 431, `"innererror":{"code":"request_header_too_large"}`)
	f("GET /v1/models HTTP/1.1\r\n\r\n", 400, `"code":"bad_request"`, "Host")
	f("nonsense\r\n\r\n", 400, `"code":"bad_request"`)
	f("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400, `"code":"bad_request"`)
}

// The result does not depend on how the bytes are cut into reads.
func TestFramesAreTheSameHoweverTheyAreRead(t *testing.T) {
	parts := []string{
		"POST / HTTP/1.1\r\n", "Host: x\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "\r\n", "abc", "3\r\n", "0\r\n", "\n", "\r", " ", "PRI * HTTP/2.0\r\n", ": ", "7fffffffffffffff\r\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 20).Draw(t, "parts"), ""))
		var whole, cut frame
		_, want := whole.see(bytes.Clone(text))
		var got error
		for rest := text; len(rest) > 0 && got == nil; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			_, got = cut.see(rest[:n])
			rest = rest[n:]
		}
		if fmt.Sprint(want) != fmt.Sprint(got) || want == nil && whole.state != cut.state {
			t.Fatalf("%q: %v in one read, %v in several", text, want, got)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	head := []byte("POST " + chatPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testKey + "\r\nContent-Type: application/json\r\nUser-Agent: python\r\nAccept: */*\r\nContent-Length: 50000\r\n\r\n")
	request := append(head, make([]byte, 50000)...)
	b.ReportAllocs()
	var f frame
	for b.Loop() {
		if n, err := f.see(request); err != nil || n != len(request) {
			b.Fatal(n, err)
		}
	}
}
