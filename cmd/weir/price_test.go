package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// priceUpdated runs `weir price update` against an API that knows one price.
func priceUpdated(t *testing.T, flags ...string) (home, said string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "price", "testdata", "retail", "page2.json"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) }))
	defer server.Close()
	home = t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	var out, errs bytes.Buffer
	args := append([]string{"price", "update", "--base-url", server.URL, "--as-of", "2026-11-23"}, flags...)
	if code := run(context.Background(), args, nil, &out, &errs); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	return home, out.String()
}

func TestAnUpdateShowsWhatChangedAndWhere(t *testing.T) {
	home, said := priceUpdated(t)
	path := filepath.Join(home, "weir", "prices-retail.yaml")
	if !strings.Contains(said, "written to "+path) || !strings.Contains(said, ": new, $") {
		t.Errorf("said %s", said)
	}
	if !strings.Contains(said, "skipped, because their meters are not mapped (state prices in your prices.yaml): aci, azure_managed_redis") {
		t.Errorf("said %s", said)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	home, _ := priceUpdated(t, "--dry-run")
	if _, err := os.Stat(filepath.Join(home, "weir")); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}
