package pricefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"weir/internal/whole"
	"weir/price"
)

// Update reads prices from the Azure Retail Prices API.
type Update struct {
	Regions []string      // Azure's names: eastus2
	Base    string        // URL of the API, or of a server that answers like it
	Pause   time.Duration // before a retry; doubles
}

// Bounds of one update: an endless answer ends.
const (
	maxRegions = 60
	maxPages   = 200 // of one query
	pageLimit  = 16 << 20
	attempts   = 4
)

// Check returns the error of invalid options.
func (u *Update) Check() error {
	if len(u.Regions) == 0 || len(u.Regions) > maxRegions {
		return fmt.Errorf("%d regions: name from 1 to %d", len(u.Regions), maxRegions)
	}
	for _, r := range u.Regions {
		if r == "" || strings.Trim(r, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return fmt.Errorf("%q is no region: they are written as eastus2, in small letters", r)
		}
	}
	base, err := url.Parse(u.Base)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" {
		return fmt.Errorf("%q is no address: write it as %s", u.Base, price.RetailHost)
	}
	return nil
}

// Read requests the prices of every region, as of a day written 2026-11-23, as
// far as the catalogue needs them.
func (u *Update) Read(ctx context.Context, c *price.Catalogue, day string) (*price.Update, error) {
	update, err := price.NewUpdate(c, day)
	if err != nil {
		return nil, err
	}
	for _, region := range u.Regions {
		if err := u.region(ctx, c, update, region); err != nil {
			return nil, fmt.Errorf("prices of %s: %w", region, err)
		}
	}
	return update, nil
}

// region reads one region, page by page.
func (u *Update) region(ctx context.Context, c *price.Catalogue, update *price.Update, region string) error {
	rows := 0
	for _, next := range c.RetailQueries(region) {
		for pages := 0; next != ""; pages++ {
			if pages == maxPages {
				return fmt.Errorf("more than %d pages: the answer has no end", maxPages)
			}
			body, err := u.page(ctx, u.there(next))
			if err != nil {
				return err
			}
			page, err := price.ParseRetail(body)
			if err != nil {
				return err
			}
			update.Add(page.Items)
			rows += len(page.Items)
			next = page.Next
		}
	}
	if rows == 0 {
		if _, err := c.Region(region); err != nil {
			return fmt.Errorf("the API knows none: %w", err)
		}
		return errors.New("the API knows none: check the region's name")
	}
	return nil
}

// there is the same query at Base. Answers always link to Azure's own address
// for the next page.
func (u *Update) there(query string) string {
	return strings.TrimSuffix(u.Base, "/") + strings.TrimPrefix(query, price.RetailHost)
}

// page fetches one page; it retries temporary failures (too many requests,
// server errors).
func (u *Update) page(ctx context.Context, address string) ([]byte, error) {
	pause := u.Pause
	for attempt := 1; ; attempt++ {
		body, again, err := get(ctx, address)
		if err == nil || !again || attempt == attempts {
			return body, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// get reads an address; again says that a retry may help.
func get(ctx context.Context, address string) (_ []byte, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) { // its address is a query of a page
		return nil, true, fmt.Errorf("%s cannot be reached: %w; name what answers like it with --base-url, or write prices.yaml yourself", req.URL.Host, failed.Err)
	}
	if err != nil {
		return nil, true, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, pageLimit+1))
	if err != nil {
		return nil, true, err
	}
	if resp.StatusCode != http.StatusOK {
		again = resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
		return nil, again, fmt.Errorf("%s answers %s: %.200s", req.URL.Host, resp.Status, body)
	}
	return body, false, nil
}

// Target is the file an update is written to: out, or the file in the user's
// folder if out is "". It is an error if the file was written by hand.
func Target(out string) (path string, err error) {
	if path = out; path == "" {
		if path, err = Path(Retail); err != nil {
			return "", err
		}
	}
	return path, writable(path)
}

// writtenByUs begins every file of an update.
const writtenByUs = "# Prices read from the Azure Retail Prices API"

// writable refuses to overwrite a file written by hand.
func writable(path string) error {
	text, err := whole.Read(path, maxPrices)
	if errors.Is(err, os.ErrNotExist) || err == nil && (len(text) == 0 || strings.HasPrefix(string(text), writtenByUs)) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s was not written by weir price update: name another file with --out, or remove it", path)
}
