// Command bare is the least a gateway can be: Go's ReverseProxy, which sends each
// model's requests to the first of its upstreams. It is there to hold the suite
// against something that is not Weir.
//
//	go test -v . -list-models -port 19000 | go run ./bare -listen 127.0.0.1:19999
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:19999", "`address` to listen at")
	flag.Parse()
	to := map[string]*url.URL{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		name, rest, ok := strings.Cut(lines.Text(), "\tfirst ")
		if !ok {
			continue
		}
		at, err := url.Parse(strings.TrimSuffix(strings.Fields(rest)[0], "/v1"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		to[name] = at
	}
	fmt.Printf("%d models at http://%s\n", len(to), *listen)
	s := &http.Server{Addr: *listen, Handler: proxy(to), ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, s.ListenAndServe())
	os.Exit(1)
}

// proxy sends a request where its model is.
func proxy(to map[string]*url.URL) http.Handler {
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		body, err := io.ReadAll(r.In.Body)
		var ask struct{ Model string }
		if err == nil {
			err = json.Unmarshal(body, &ask)
		}
		r.Out.Body = io.NopCloser(bytes.NewReader(body))
		if at := to[ask.Model]; err == nil && at != nil {
			r.SetURL(at)
		}
	}, FlushInterval: -1}
	return p
}
