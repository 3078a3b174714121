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

	"github.com/spf13/cobra"

	"weir/price"
)

// retailAPI answers as the Azure Retail Prices API does: filters are compared
// with regard to case, and an answer comes in pages whose links name Azure.
type retailAPI struct {
	t        *testing.T
	asked    []string
	throttle int // answer 429 that many times first
}

func (a *retailAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.throttle > 0 {
		a.throttle--
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	filter := r.URL.Query().Get("$filter")
	a.asked = append(a.asked, r.URL.RequestURI())
	name := ""
	switch {
	case r.URL.Query().Get("$skip") == "1000":
		name = "page2.json"
	case strings.Contains(filter, "armRegionName eq 'eastus'") && strings.Contains(filter, "serviceName eq 'Foundry Models'"):
		name = "page1.json"
	default:
		_, _ = w.Write([]byte(`{"Items":[],"NextPageLink":null,"Count":0}`))
		return
	}
	body, err := os.ReadFile(filepath.Join("..", "..", "price", "testdata", "retail", name))
	if err != nil {
		a.t.Error(err)
	}
	_, _ = w.Write(body)
}

// updated runs `weir price update` against api.
func updated(t *testing.T, api *retailAPI, u priceUpdate) (string, error) {
	t.Helper()
	server := httptest.NewServer(api)
	defer server.Close()
	u.base, u.asOf = server.URL+"/api/retail/prices", "2026-11-23"
	if u.regions == nil {
		u.regions = []string{"eastus"}
	}
	cmd := &cobra.Command{Use: "update"}
	cmd.SetContext(context.Background())
	var out bytes.Buffer
	cmd.SetOut(&out)
	err := u.run(cmd)
	return out.String(), err
}

func TestAnUpdateFollowsEveryPageAndShowsWhatChanged(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	api := &retailAPI{t: t}
	said, err := updated(t, api, priceUpdate{})
	if err != nil {
		t.Fatal(err)
	}
	if len(api.asked) < 4 || !strings.Contains(api.asked[len(api.asked)-1], "skip=1000") {
		t.Errorf("asked for %q", api.asked)
	}
	if !strings.Contains(said, "not asked for, their meters are not mapped (state prices in your prices.yaml): aci, azure_managed_redis") {
		t.Errorf("said %s", said)
	}
	path := filepath.Join(home, "weir", retailPrices)
	if !strings.Contains(said, "written to "+path) || !strings.Contains(said, ": new, $") {
		t.Errorf("said %s", said)
	}
	c, err := catalogue("")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.VMPrice("Standard_NC40ads_H100_v5", "eastus"); err != nil || p.Hour.From().Date != "2026-11-23" {
		t.Errorf("have %+v, %v", p, err)
	}
	if said, err = updated(t, api, priceUpdate{}); err != nil || !strings.Contains(said, "no price has changed") {
		t.Errorf("the same answers again: %v, %s", err, said)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	if _, err := updated(t, &retailAPI{t: t}, priceUpdate{dry: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "weir")); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}

func TestTooManyRequestsAreAskedForAgain(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := updated(t, &retailAPI{t: t, throttle: attempts - 1}, priceUpdate{}); err != nil {
		t.Error(err)
	}
	if _, err := updated(t, &retailAPI{t: t, throttle: attempts}, priceUpdate{}); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("have %v", err)
	}
}

func TestAnUpdateWritesOverNothingWrittenByHand(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	mine := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(mine, []byte("sources: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := updated(t, &retailAPI{t: t}, priceUpdate{out: mine}); err == nil || !strings.Contains(err.Error(), "not written by weir") {
		t.Errorf("have %v", err)
	}
}

func TestARegionWithoutPricesIsAnError(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := updated(t, &retailAPI{t: t}, priceUpdate{regions: []string{"nowhere"}}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("have %v", err)
	}
}

func TestOnesOwnPricesHoldOverThoseRead(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	if _, err := updated(t, &retailAPI{t: t}, priceUpdate{}); err != nil {
		t.Fatal(err)
	}
	own := "sources:\n  deal: {what: our agreement, date: 2026-11-01}\n" +
		"vm_prices:\n- {vm: Standard_NC40ads_H100_v5, region: eastus, source: deal, hour: 5}\n"
	if err := os.WriteFile(filepath.Join(home, "weir", ownPrices), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := catalogue("")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.VMPrice("Standard_NC40ads_H100_v5", "eastus"); err != nil || p.Hour.Amount() != 5_000_000 {
		t.Errorf("have %s, %v", p.Hour.Amount(), err)
	}
}

func TestTheAddressOfEveryQueryIsTheOneAskedFor(t *testing.T) {
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	u := priceUpdate{base: "http://127.0.0.1:1/x/"}
	for _, q := range c.RetailQueries("eastus") {
		if have := u.there(q); !strings.HasPrefix(have, "http://127.0.0.1:1/x?") {
			t.Errorf("have %s", have)
		}
	}
}
