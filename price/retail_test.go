package price_test

import (
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/price"
)

var update = flag.Bool("update", false, "rewrite testdata")

// answers are two pages in the public schema of the Azure Retail Prices API.
func answers(t testing.TB) (pages []price.RetailPage) {
	t.Helper()
	for _, name := range []string{"page1.json", "page2.json"} {
		body, err := os.ReadFile("testdata/retail/" + name)
		if err != nil {
			t.Fatal(err)
		}
		page, err := price.ParseRetail(body)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	return pages
}

func TestAnUpdateReadsPagesIntoAPriceFileAndSaysWhatChanged(t *testing.T) {
	c := catalogue(t)
	u, err := price.NewUpdate(c, "2026-11-23")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range answers(t) {
		u.Add(p.Items)
	}
	var said strings.Builder
	for _, m := range u.Unmapped() {
		said.WriteString("unmapped: " + m + "\n")
	}
	for _, f := range u.Faults() {
		said.WriteString("fault: " + f + "\n")
	}
	next, err := c.Override("prices.yaml", u.File())
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range c.Changes(next) {
		said.WriteString("change: " + ch.String() + "\n")
	}
	golden(t, "testdata/retail/want.yaml", string(u.File())+"\n"+commented(said.String()))
	if again := next.Changes(next); len(again) != 0 {
		t.Fatal(again)
	}
}

// commented makes lines YAML comments.
func commented(lines string) string {
	return strings.TrimSuffix("# "+strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n# "), "\n") + "\n"
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("differs from %s (go test -update rewrites it):\n%s", path, got)
	}
}

func TestPagesAreFollowedByTheirLinkAndOnlyThere(t *testing.T) {
	pages := answers(t)
	if !strings.HasPrefix(pages[0].Next, price.RetailHost+"?") || pages[1].Next != "" {
		t.Fatal(pages[0].Next, pages[1].Next)
	}
	for body, want := range map[string]string{
		`{"Items":[],"NextPageLink":"https://elsewhere.example/api/retail/prices?x"}`:      "not at https://prices.azure.com",
		`{"Items":[],"NextPageLink":"https://prices.azure.com.example/api/retail/prices"}`: "not at https://prices.azure.com",
		`{"Items":[{"currencyCode":"EUR","meterName":"m"}]}`:                               `meter "m" is in "EUR"`,
		`{"error":"busy"}`: "no Items",
		`{"Items":[`:       "unexpected end",
		`<html>`:           "invalid character",
	} {
		if _, err := price.ParseRetail([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error with %q, got %v", body, want, err)
		}
	}
}

func TestQueriesAskForWhatTheCatalogueHasAUseFor(t *testing.T) {
	c := catalogue(t)
	asked := ""
	for _, q := range c.RetailQueries("eastus") {
		u, err := url.Parse(q)
		if err != nil || len(q) > 2000 {
			t.Fatal(err, len(q))
		}
		v := u.Query()
		if v.Get("currencyCode") != "'USD'" || v.Get("api-version") != "2023-01-01-preview" || !strings.Contains(v.Get("$filter"), "armRegionName eq 'eastus'") {
			t.Fatal(q)
		}
		asked += v.Get("$filter") + "\n"
	}
	for _, v := range c.VMs() {
		if strings.Count(asked, "'"+v.Name+"'") != 1 {
			t.Errorf("%s is not asked for once", v.Name)
		}
	}
	if !strings.Contains(asked, "serviceName eq 'Foundry Models'") {
		t.Error(asked)
	}
	if q := c.RetailQueries("x' or 1 eq 1 or '"); !strings.Contains(q[0], url.QueryEscape("'x'' or 1 eq 1 or '''")) {
		t.Error("a quote in a name must not end it", q[0])
	}
}

func TestTheSamePagesGiveTheSameFileInAnyOrder(t *testing.T) {
	c := catalogue(t)
	write := func(pages ...price.RetailPage) string {
		u, err := price.NewUpdate(c, "2026-11")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			u.Add(p.Items)
		}
		return string(u.File())
	}
	p := answers(t)
	want := write(p[0], p[1])
	for range 10 {
		if got := write(p[1], p[0]); got != want {
			t.Fatalf("%s\n%s", got, want)
		}
	}
}

// Keys as Microsoft's page "Azure Retail Prices overview" lists them
// (api-version 2023-01-01-preview). The recorded pages have no others, so the
// tests match the real API.
func TestTheRecordedPagesHaveThePublishedShape(t *testing.T) {
	envelope := []string{"BillingCurrency", "CustomerEntityId", "CustomerEntityType", "Items", "NextPageLink", "Count"}
	item := []string{"currencyCode", "tierMinimumUnits", "retailPrice", "unitPrice", "armRegionName", "location", "effectiveStartDate",
		"effectiveEndDate", "meterId", "meterName", "productId", "skuId", "productName", "skuName", "serviceName", "serviceId",
		"serviceFamily", "unitOfMeasure", "type", "isPrimaryMeterRegion", "armSkuName", "reservationTerm", "savingsPlan"}
	need := []string{"currencyCode", "retailPrice", "armRegionName", "effectiveStartDate", "meterName", "productName", "skuName", "serviceName", "unitOfMeasure", "type", "armSkuName"}
	for _, name := range []string{"page1.json", "page2.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", "retail", name))
		if err != nil {
			t.Fatal(err)
		}
		var page map[string]json.RawMessage
		var items []map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(text, &page), json.Unmarshal(page["Items"], &items)); err != nil {
			t.Fatal(err)
		}
		if have := slices.Sorted(maps.Keys(page)); !slices.Equal(have, slices.Sorted(slices.Values(envelope))) {
			t.Errorf("%s: envelope %v", name, have)
		}
		for i, it := range items {
			for key := range it {
				if !slices.Contains(item, key) {
					t.Errorf("%s item %d: key %s is not of the API", name, i, key)
				}
			}
			for _, key := range need {
				if it[key] == nil {
					t.Errorf("%s item %d: %s is missing", name, i, key)
				}
			}
		}
	}
}

func FuzzRetailPagesGiveAFileTheCatalogueTakes(f *testing.F) {
	f.Add([]byte(`{"Items":[{"currencyCode":"USD","retailPrice":6.98,"armRegionName":"eastus","serviceName":"Virtual Machines","unitOfMeasure":"1 Hour","type":"Consumption","armSkuName":"Standard_NC40ads_H100_v5"}]}`))
	f.Add([]byte(`{"Items":[{"currencyCode":"USD","retailPrice":2e-3,"armRegionName":"x\"y","meterName":"gpt 4.1 Inp regnl Tokens","productName":"Azure OpenAI","unitOfMeasure":"1K"}]}`))
	f.Add([]byte(`{"Items":[{"currencyCode":"USD","retailPrice":260,"skuName":"Provisioned Managed Global","productName":"Azure OpenAI","type":"Reservation","reservationTerm":"1 Month"}]}`))
	c, err := price.Default()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := price.ParseRetail(body)
		if err != nil {
			return
		}
		u, err := price.NewUpdate(c, "2026-11-23")
		if err != nil {
			t.Fatal(err)
		}
		u.Add(page.Items)
		if _, err := c.Override("written", u.File()); err != nil {
			t.Fatalf("%v\n%s", err, u.File())
		}
	})
}
