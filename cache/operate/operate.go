// Package operate is what an operator does with the stored answers of a running Weir: it
// speaks to the admin address, and sends files of prompts as a caller does. It owns that
// address's paths for stored answers, as a client; it refuses to know what serves there, and
// where the answers are.
package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"weir/cache"
)

// Purge ends the stored answers that a selector names, at the admin address of a running
// Weir, and says how many that Weir had. The token is that of TokenVariable.
func Purge(ctx context.Context, out io.Writer, admin string, sel cache.Selector) error {
	if _, err := sel.Name(); err != nil {
		return err
	}
	body, err := json.Marshal(sel)
	if err != nil {
		return err
	}
	var answer struct {
		Purged int `json:"purged"`
	}
	if err := call(ctx, admin, "POST", "/admin/cache/purge", body, &answer); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d stored answers purged\n", answer.Purged)
	return err
}

// TokenVariable is the environment variable with the token of the admin address.
const TokenVariable = "WEIR_ADMIN_TOKEN"

const (
	answersWithin = 30 * time.Second
	maxAnswer     = 1 << 20
)

func call(ctx context.Context, admin, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	if !strings.Contains(admin, "://") {
		admin = "http://" + admin
	}
	url := strings.TrimSuffix(admin, "/") + path
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if token := os.Getenv(TokenVariable); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("no Weir answers at %s: %w: give its admin address by --admin", admin, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if resp.StatusCode != 200 {
		return fmt.Errorf("%s: status %d: %s", url, resp.StatusCode, strings.TrimSpace(string(answer)))
	}
	return json.Unmarshal(answer, into)
}
