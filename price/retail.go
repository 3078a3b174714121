package price

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"

	"weir"
)

// RetailHost is the address of the public Azure Retail Prices API; it needs no
// sign-in.
const RetailHost = "https://prices.azure.com/api/retail/prices"

// maxPage and maxItems bound one page of an answer: Azure sends up to 1,000
// items, about one megabyte.
const (
	maxPage  = 16 << 20
	maxItems = 20_000
)

// RetailItem is the needed fields of one row of the Azure Retail Prices API.
// Schema: Microsoft's page "Azure Retail Prices overview", api-version
// 2023-01-01-preview.
type RetailItem struct {
	Currency string      `json:"currencyCode"`
	TierFrom json.Number `json:"tierMinimumUnits"`
	Retail   json.Number `json:"retailPrice"`
	Region   string      `json:"armRegionName"`
	Start    string      `json:"effectiveStartDate"`
	End      string      `json:"effectiveEndDate"`
	Meter    string      `json:"meterName"`
	Product  string      `json:"productName"`
	SKU      string      `json:"skuName"`
	Service  string      `json:"serviceName"`
	Unit     string      `json:"unitOfMeasure"`
	Type     string      `json:"type"` // Consumption, Reservation, DevTestConsumption
	ArmSKU   string      `json:"armSkuName"`
	Term     string      `json:"reservationTerm"` // "1 Year"; Retail is then the price of the whole term
	Primary  *bool       `json:"isPrimaryMeterRegion"`
}

// RetailPage is one page of an answer. Next is the address of the next one, ""
// after the last; the number of pages is unknown.
type RetailPage struct {
	Items []RetailItem
	Next  string
}

// ParseRetail reads one page. It refuses currencies other than US dollars, and
// a next page anywhere but at RetailHost.
func ParseRetail(body []byte) (RetailPage, error) {
	page, err := parseRetail(body)
	if err != nil {
		return RetailPage{}, fmt.Errorf("price: page of the Azure Retail Prices API: %w", err)
	}
	return page, nil
}

func parseRetail(body []byte) (RetailPage, error) {
	if len(body) > maxPage {
		return RetailPage{}, fmt.Errorf("%d bytes are more than the %d one page may have", len(body), maxPage)
	}
	var answer struct {
		Items []RetailItem
		Next  string `json:"NextPageLink"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return RetailPage{}, err
	}
	if answer.Items == nil {
		return RetailPage{}, errors.New("it has no Items: this is not an answer of that API")
	}
	if len(answer.Items) > maxItems {
		return RetailPage{}, fmt.Errorf("%d items are more than the %d one page may have", len(answer.Items), maxItems)
	}
	for _, it := range answer.Items {
		if it.Currency != "USD" {
			return RetailPage{}, fmt.Errorf("meter %q is in %q: ask with currencyCode='USD'", it.Meter, it.Currency)
		}
	}
	if answer.Next != "" && !strings.HasPrefix(answer.Next, RetailHost+"?") {
		return RetailPage{}, fmt.Errorf("its next page is at %q, not at %s", answer.Next, RetailHost)
	}
	return RetailPage{Items: answer.Items, Next: answer.Next}, nil
}

// RetailQueries are the addresses of a region's prices that the catalogue
// needs; each answers in pages. Values in filters are case-sensitive.
func (c *Catalogue) RetailQueries(region string) []string {
	const sizesPerQuery = 10 // keeps addresses short
	in := "armRegionName eq '" + strings.ReplaceAll(region, "'", "''") + "'"
	var queries []string
	for from := 0; from < len(c.vms.list); from += sizesPerQuery {
		var sizes []string
		for _, v := range c.vms.list[from:min(from+sizesPerQuery, len(c.vms.list))] {
			sizes = append(sizes, "armSkuName eq '"+v.Name+"'")
		}
		queries = append(queries, query("serviceName eq 'Virtual Machines' and "+in+" and ("+strings.Join(sizes, " or ")+")"))
	}
	return append(queries, query("serviceName eq 'Foundry Models' and "+in+" and contains(productName, 'OpenAI')"))
}

func query(filter string) string {
	v := url.Values{"api-version": {"2023-01-01-preview"}, "currencyCode": {"'USD'"}, "meterRegion": {"'primary'"}, "$filter": {filter}}
	return RetailHost + "?" + v.Encode()
}

// current says whether the row is a price customers pay today.
func (it RetailItem) current() bool {
	tier, err := it.TierFrom.Float64()
	return it.End == "" && (it.TierFrom == "" || err == nil && tier == 0) && (it.Primary == nil || *it.Primary) &&
		it.Type != "DevTestConsumption"
}

// scaled is the row's price times num/den, in micro-dollars rounded to the
// nearest.
func (it RetailItem) scaled(num, den int64) (weir.Money, error) {
	r, err := parseDecimal(it.Retail.String())
	if err != nil {
		return 0, err
	}
	r.Mul(r, big.NewRat(num*int64(weir.Dollar), den))
	r.Add(r, big.NewRat(1, 2))
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() {
		return 0, fmt.Errorf("price %s is too large", it.Retail)
	}
	return weir.Money(n.Int64()), nil
}

// perMillion is the row's price for 1,000,000 tokens: meters count 1K or 1M.
func (it RetailItem) perMillion() (weir.Money, error) {
	switch it.Unit {
	case "1K":
		return it.scaled(1000, 1)
	case "1M":
		return it.scaled(1, 1)
	}
	return 0, fmt.Errorf("unit %q is neither 1K nor 1M tokens", it.Unit)
}

// Hours of reservation terms, as Azure counts them.
var termHours = map[string]int64{"1 Year": 365 * 24, "3 Years": 3 * 365 * 24}
