package check

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"weir"
	"weir/config"
	"weir/upstream"
	"weir/upstream/dialects"
	"weir/wire"
)

// Bounds of check --connect.
const (
	connectWithin = 15 * time.Second // for one upstream, its token included
	connectAtOnce = 16
	connectBody   = 1 << 20 // bytes read of an answer
	connectShown  = 120     // characters of a message that are shown
)

// Contact is one upstream and the result of a request to it.
type Contact struct {
	Deployment, Address string
	OK                  bool   // it can be used
	Said                string // what the upstream offers, or why it cannot be used
	Took                time.Duration
}

// Connect sends every upstream of a configuration a request that costs nothing,
// all at once, and returns the results in the order of the file.
func Connect(ctx context.Context, c *config.Config) []Contact {
	var asks []func(context.Context) Contact
	for i := range c.Models {
		m := &c.Models[i]
		for k := range m.Deployments {
			asks = append(asks, asksOf(m, &m.Deployments[k])...)
		}
	}
	found := make([]Contact, len(asks))
	slots := make(chan struct{}, connectAtOnce)
	var all sync.WaitGroup
	for i, ask := range asks {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			began := time.Now()
			ctx, cancel := context.WithTimeout(ctx, connectWithin)
			defer cancel()
			found[i] = ask(ctx)
			found[i].Took = time.Since(began)
		})
	}
	all.Wait()
	return found
}

// asksOf are the requests for one deployment: one for each server.
func asksOf(m *config.Model, d *config.Deployment) (asks []func(context.Context) Contact) {
	switch {
	case d.External != nil:
		for _, u := range d.External.URLs {
			asks = append(asks, func(ctx context.Context) Contact { return askServer(ctx, d, u) })
		}
	case d.AzureOpenAI != nil:
		asks = append(asks, func(ctx context.Context) Contact { return askAzure(ctx, m, d) })
	case d.Process != nil:
		asks = append(asks, func(context.Context) Contact { return lookAtCommand(d) })
	}
	return asks
}

// lookAtCommand checks that the program of a process deployment exists.
func lookAtCommand(d *config.Deployment) Contact {
	program, err := exec.LookPath(wire.Program(d))
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return Contact{Deployment: d.Name, Address: wire.Program(d), Said: "the program is not on this machine: " + err.Error()}
	}
	return Contact{Deployment: d.Name, Address: program, OK: true, Said: "the program is there; nothing was started"}
}

// askServer requests a server's list of models.
func askServer(ctx context.Context, d *config.Deployment, base string) Contact {
	x := d.External
	at := Contact{Deployment: d.Name, Address: base}
	if x.APIKey.Set() && x.APIKey.Reveal() == "" {
		at.Said = "its key cannot be resolved: " + x.APIKey.String()
		return at
	}
	target := strings.TrimSuffix(base, "/")
	if last := target[strings.LastIndexByte(target, '/')+1:]; len(last) < 2 || last[0] != 'v' || strings.Trim(last[1:], "0123456789") != "" {
		target += "/v1"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target+"/models", nil)
	if err != nil {
		at.Said = err.Error()
		return at
	}
	spoken := dialects.Of(x.Protocol)
	for op := range weir.Ops() {
		if spoken.Operation(op) == nil {
			continue
		}
		if h := spoken.Target(&upstream.Options{}, op).Header; h.Name != "" {
			r.Header.Set(h.Name, h.Value)
		}
	}
	status, body, err := ask(r, wire.ServerKey(spoken, x.APIKey))
	if at.OK, at.Said = judgeServer(status, body, err, x.Model); at.OK {
		at.Said += metricsNote(ctx, base, x.Metrics)
	} else if (status == http.StatusUnauthorized || status == http.StatusForbidden) && !x.APIKey.Set() {
		at.Said = fmt.Sprintf("%d: it needs a key, but api_key is missing", status)
	}
	return at
}

// judgeServer judges the answer to a request for the list of models.
func judgeServer(status int, body []byte, err error, model string) (ok bool, said string) {
	switch {
	case err != nil:
		return false, err.Error()
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return false, fmt.Sprintf("%d: the key is refused: %s", status, messageOf(body))
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return true, fmt.Sprintf("reached; it lists no models (%d), so the name %s was not checked", status, model)
	case status != http.StatusOK:
		return false, fmt.Sprintf("%d: %s", status, messageOf(body))
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &list) != nil || list.Data == nil {
		return false, "answers, but not like an inference server: is the port right?"
	}
	var names []string
	for _, m := range list.Data {
		if m.ID == model {
			return true, "reached; it has the model " + model
		}
		names = append(names, m.ID)
	}
	return false, "reached; it has no model " + model + ", but " + few(names)
}

// askAzure sends a chat without messages: the service checks the key and the
// deployment, then refuses the request, at no cost.
func askAzure(ctx context.Context, m *config.Model, d *config.Deployment) Contact {
	a := d.AzureOpenAI
	name := cmp.Or(a.Deployment, m.Name)
	at := Contact{Deployment: d.Name, Address: a.Endpoint + " " + name}
	if a.APIKey.Set() && a.APIKey.Reveal() == "" {
		at.Said = "its key cannot be resolved: " + a.APIKey.String()
		return at
	}
	credential, err := wire.AzureCredential(a)
	if err != nil {
		at.Said = err.Error()
		return at
	}
	target := strings.TrimSuffix(a.Endpoint, "/openai") + "/openai/v1/chat/completions"
	if a.APIVersion != "" {
		target = strings.TrimSuffix(a.Endpoint, "/openai") + "/openai/deployments/" + url.PathEscape(name) + "/chat/completions?api-version=" + url.QueryEscape(a.APIVersion)
	}
	body, err := json.Marshal(map[string]any{"model": name, "messages": []any{}})
	if err != nil {
		at.Said = err.Error()
		return at
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		at.Said = err.Error()
		return at
	}
	r.Header.Set("content-type", "application/json")
	status, answer, err := ask(r, credential)
	at.OK, at.Said = judgeAzure(status, answer, err, name)
	return at
}

// judgeAzure judges the answer to a chat without messages.
func judgeAzure(status int, body []byte, err error, name string) (ok bool, said string) {
	switch {
	case err != nil:
		return false, err.Error()
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return false, fmt.Sprintf("%d: the key or identity is refused: %s", status, messageOf(body))
	case status == http.StatusNotFound && strings.Contains(string(body), "DeploymentNotFound"):
		return false, "reached; it has no deployment " + name
	case status == http.StatusNotFound:
		return false, fmt.Sprintf("404: %s: check endpoint and api_version", messageOf(body))
	case status == http.StatusBadRequest && strings.Contains(strings.ToLower(string(body)), "api version"):
		return false, "400: " + messageOf(body)
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return true, "reached; it has the deployment " + name
	case status == http.StatusTooManyRequests:
		return true, "reached; the deployment " + name + " is throttled at the moment"
	}
	return false, fmt.Sprintf("%d: %s", status, messageOf(body))
}

// ask sends one request with its key; a redirect is an answer.
func ask(r *http.Request, key upstream.Credential) (status int, body []byte, err error) {
	if key != nil {
		header, value, err := key(r.Context())
		if err != nil {
			return 0, nil, fmt.Errorf("no token: %w", err)
		}
		r.Header.Set(header, value)
	}
	r.Header.Set("user-agent", "weir-check")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if at := (*url.Error)(nil); errors.As(err, &at) {
		err = at.Err // without the address, which is shown beside it
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, nil, fmt.Errorf("no answer within %v", connectWithin)
	}
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, connectBody))
	return resp.StatusCode, body, err
}

// messageOf is the message of an error, in any of the servers' formats.
func messageOf(body []byte) string {
	var e struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	var inner struct {
		Message string `json:"message"`
	}
	text := string(body)
	if json.Unmarshal(body, &e) == nil {
		switch {
		case json.Unmarshal(e.Error, &inner) == nil && inner.Message != "":
			text = inner.Message
		case json.Unmarshal(e.Error, &text) == nil && text != "":
		case e.Message != "":
			text = e.Message
		}
	}
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > connectShown {
		return string(line[:connectShown]) + "..."
	}
	return string(line)
}

// few names the first entries of a list.
func few(names []string) string {
	const most = 5
	switch {
	case len(names) == 0:
		return "none at all"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
