package pricefile

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/price"
)

// retailAPI answers as the Azure Retail Prices API does: filters are
// case-sensitive, and an answer comes in pages whose links name Azure.
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
	body, err := os.ReadFile(filepath.Join("..", "testdata", "retail", name))
	if err != nil {
		a.t.Error(err)
	}
	_, _ = w.Write(body)
}

// updated reads the prices of some regions from api, over the user's catalogue.
func updated(t *testing.T, api *retailAPI, regions ...string) (*price.Update, error) {
	t.Helper()
	server := httptest.NewServer(api)
	defer server.Close()
	c, err := Catalogue("")
	if err != nil {
		t.Fatal(err)
	}
	u := Update{Regions: append(regions, "eastus")[:max(1, len(regions))], Base: server.URL + "/api/retail/prices"}
	if err := u.Check(); err != nil {
		t.Fatal(err)
	}
	return u.Read(t.Context(), c, "2026-11-23")
}

// kept writes the update into the user's folder.
func kept(t *testing.T, u *price.Update) *price.Catalogue {
	t.Helper()
	path, err := Target("")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, u.File(), 0o600)); err != nil {
		t.Fatal(err)
	}
	c, err := Catalogue("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnUpdateFollowsEveryPage(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	api := &retailAPI{t: t}
	u, err := updated(t, api)
	if err != nil {
		t.Fatal(err)
	}
	if len(api.asked) < 4 || !strings.Contains(api.asked[len(api.asked)-1], "skip=1000") {
		t.Errorf("asked for %q", api.asked)
	}
	c := kept(t, u)
	if p, err := c.VMPrice("Standard_NC40ads_H100_v5", "eastus"); err != nil || p.Hour.From().Date != "2026-11-23" {
		t.Errorf("have %+v, %v", p, err)
	}
	if u, err = updated(t, api); err != nil {
		t.Fatal(err)
	}
	if again := c.Changes(kept(t, u)); len(again) > 0 {
		t.Errorf("the same answers again: %v", again)
	}
}

func TestTooManyRequestsAreAskedForAgain(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := updated(t, &retailAPI{t: t, throttle: attempts - 1}); err != nil {
		t.Error(err)
	}
	if _, err := updated(t, &retailAPI{t: t, throttle: attempts}); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("have %v", err)
	}
}

func TestAnUpdateWritesOverNothingWrittenByHand(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	mine := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(mine, []byte("sources: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Target(mine); err == nil || !strings.Contains(err.Error(), "not written by weir") {
		t.Errorf("have %v", err)
	}
}

func TestARegionWithoutPricesIsAnError(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := updated(t, &retailAPI{t: t}, "nowhere"); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("have %v", err)
	}
}

func TestOnesOwnPricesHoldOverThoseRead(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	u, err := updated(t, &retailAPI{t: t})
	if err != nil {
		t.Fatal(err)
	}
	kept(t, u)
	own := "sources:\n  deal: {what: our agreement, date: 2026-11-01}\n" +
		"vm_prices:\n- {vm: Standard_NC40ads_H100_v5, region: eastus, source: deal, hour: 5}\n"
	if err := os.WriteFile(filepath.Join(home, "weir", Own), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Catalogue("")
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
	u := Update{Base: "http://127.0.0.1:1/x/"}
	for _, q := range c.RetailQueries("eastus") {
		if have := u.there(q); !strings.HasPrefix(have, "http://127.0.0.1:1/x?") {
			t.Errorf("have %s", have)
		}
	}
}
