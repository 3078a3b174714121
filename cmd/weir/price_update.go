package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/price"
	"weir/report"
)

// priceUpdate are the choices of one `weir price update`.
type priceUpdate struct {
	regions []string
	out     string
	base    string
	asOf    string
	dry     bool
	pause   time.Duration // before asking again; doubles
}

// Bounds of one update, so that an answer without an end ends.
const (
	maxRegions = 60
	maxPages   = 200 // of one query
	pageLimit  = 16 << 20
	attempts   = 4
)

func newPriceUpdate() *cobra.Command {
	u := priceUpdate{pause: 2 * time.Second}
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Read prices from the public Azure Retail Prices API",
		Long: `Update asks the public Azure Retail Prices API, which needs no sign-in, for the
prices the catalogue has a use for, writes them into a price file and shows what
changed. Meters the catalogue does not know the meaning of are named, not
guessed.

` + exitHelp,
		Example: `  weir price update
  weir price update --region swedencentral,eastus2
  weir price update --dry-run`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd) },
	}
	cmd.Flags().StringSliceVar(&u.regions, "region", []string{"eastus"}, "Azure `regions` to read prices of")
	cmd.Flags().StringVar(&u.out, "out", "", "`file` to write (default: prices-retail.yaml in your folder)")
	cmd.Flags().StringVar(&u.base, "base-url", price.RetailHost, "`URL` of the API, or of something that answers like it")
	cmd.Flags().StringVar(&u.asOf, "as-of", "", "`day` the prices are of, as 2026-11-23 (default: today)")
	cmd.Flags().BoolVar(&u.dry, "dry-run", false, "show what would change and write nothing")
	return cmd
}

func (u *priceUpdate) run(cmd *cobra.Command) error {
	now, err := day(u.asOf)
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	if err := u.check(); err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	path, err := u.path()
	if err != nil {
		return err
	}
	before, err := catalogue("")
	if err != nil {
		return configError{err}
	}
	update, err := price.NewUpdate(before, now.Time().Format(time.DateOnly))
	if err != nil {
		return err
	}
	for _, region := range u.regions {
		if err := u.read(cmd.Context(), before, update, region); err != nil {
			return fmt.Errorf("prices of %s: %w", region, err)
		}
	}
	text := update.File()
	after, err := before.Override(path, text)
	if err != nil {
		return err
	}
	if err := report.PriceUpdate(cmd.OutOrStdout(), update, before.Changes(after), before.NotMapped()); err != nil {
		return err
	}
	if u.dry {
		return nil
	}
	if err := replaceFile(path, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "written to %s\n", path)
	return err
}

// path is the file to write, which holds nothing written by hand.
func (u *priceUpdate) path() (path string, err error) {
	if path = u.out; path == "" {
		if path, err = userFile(retailPrices); err != nil {
			return "", err
		}
	}
	return path, writable(path)
}

func (u *priceUpdate) check() error {
	if len(u.regions) == 0 || len(u.regions) > maxRegions {
		return fmt.Errorf("%d regions: name from 1 to %d", len(u.regions), maxRegions)
	}
	for _, r := range u.regions {
		if r == "" || strings.Trim(r, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return fmt.Errorf("%q is no region: they are written as eastus2, in small letters", r)
		}
	}
	base, err := url.Parse(u.base)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" {
		return fmt.Errorf("%q is no address: write it as %s", u.base, price.RetailHost)
	}
	return nil
}

// read asks for one region, page by page.
func (u *priceUpdate) read(ctx context.Context, c *price.Catalogue, update *price.Update, region string) error {
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

// there is the same query at the address asked for. Answers name Azure's own
// address for the next page, wherever they come from.
func (u *priceUpdate) there(query string) string {
	return strings.TrimSuffix(u.base, "/") + strings.TrimPrefix(query, price.RetailHost)
}

// page fetches one page; what passes (too many requests, a server in trouble)
// is asked for again.
func (u *priceUpdate) page(ctx context.Context, address string) ([]byte, error) {
	pause := u.pause
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

// get reads an address; again says that asking once more may help.
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

// writtenByUs begins every file of an update.
const writtenByUs = "# Prices read from the Azure Retail Prices API"

// writable refuses to write over what somebody wrote by hand.
func writable(path string) error {
	text, err := readFile(path, maxPrices)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (len(text) == 0 || strings.HasPrefix(string(text), writtenByUs)) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s was not written by weir price update: name another file with --out, or remove it", path)
}

// replaceFile writes a file as a whole or not at all.
func replaceFile(path string, text []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
