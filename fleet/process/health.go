package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

func newHealthClient() *http.Client {
	return &http.Client{
		// A connection per check: it also tests whether the replica still
		// accepts them. No proxy: replicas are on this machine.
		Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("redirected; a health path must answer directly")
		},
	}
}

// check asks a replica's health path once. Nil: it answered 200.
func (f *Fleet) check(ctx context.Context, r *replica) error {
	ctx, cancel := context.WithTimeout(ctx, r.dep.HealthTimeout)
	defer cancel()
	url := "http://" + hostPort(r.port) + r.dep.HealthPath
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	a, err := f.health.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(a.Body, 64<<10)); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, a.Status)
	}
	return nil
}
