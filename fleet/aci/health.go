package aci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// healthWithin bounds one health check.
const healthWithin = 3 * time.Second

// healthClient makes a connection for each check: that also tests whether the server
// still accepts them. No proxy: groups are in a network of their own.
var healthClient = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("redirected; a health path must answer directly")
	},
}

// health asks a group's health path once. Nil: it answered 200.
func health(ctx context.Context, addr, path string) error {
	if addr == "" {
		return errors.New("it has no address yet")
	}
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, addr+path, nil)
	if err != nil {
		return err
	}
	a, err := healthClient.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(a.Body, 64<<10)); err != nil {
		return fmt.Errorf("%s: %w", addr+path, err)
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", addr+path, a.Status)
	}
	return nil
}
