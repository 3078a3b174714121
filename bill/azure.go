package bill

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"weir"
)

// columns are the columns read from Azure's export, by their names in the
// schemas of enterprise and customer agreements, in small letters.
var columns = map[string]string{
	"date": "day", "usagedate": "day", "usagedatetime": "day", "chargeperiodstart": "day",
	"metername": "meter", "meter": "meter", "x_skumetername": "meter",
	"quantity": "quantity", "usagequantity": "quantity", "consumedquantity": "quantity",
	"unitofmeasure": "unit", "consumedunit": "unit",
	"costinbillingcurrency": "cost", "cost": "cost", "pretaxcost": "cost", "billedcost": "cost",
	"billingcurrencycode": "currency", "billingcurrency": "currency", "currency": "currency",
	"costinusd": "usd", "paygcostinusd": "",
}

// ErrNotUSD: an export in another currency that has no column in dollars.
var ErrNotUSD = errors.New("costs are not in US dollars: export the column costInUsd too")

// Azure reads actual costs of Cost Management as CSV. Rows whose meters do not
// count model tokens are left out, if meters knows some of the others; rows of
// unknown meters with tokens in their name are kept without a model.
func Azure(file []byte, meters Meters) ([]Line, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("no header: %w", err)
	}
	at := map[string]int{}
	for i, name := range head {
		if column := columns[strings.ToLower(strings.TrimSpace(name))]; column != "" {
			at[column] = i
		}
	}
	for _, need := range []string{"day", "meter", "quantity"} {
		if _, ok := at[need]; !ok {
			return nil, fmt.Errorf("no column for the %s: this is not an export of actual costs (Date, MeterName, Quantity, UnitOfMeasure, CostInBillingCurrency)", need)
		}
	}
	var lines []Line
	for {
		row, err := r.Read()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		number, _ := r.FieldPos(0)
		l, ok, err := azureLine(row, at, meters)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if ok {
			lines = append(lines, l)
		}
	}
}

func azureLine(row []string, at map[string]int, meters Meters) (l Line, ok bool, err error) {
	cell := func(column string) string {
		if i, ok := at[column]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	l.Meter = cell("meter")
	var known bool
	if l.Model, l.Kind, known = meters(l.Meter); !known && !strings.Contains(strings.ToLower(l.Meter+" "+cell("unit")), "token") {
		return l, false, nil
	}
	if l.Day, err = azureDay(cell("day")); err != nil {
		return l, false, err
	}
	quantity, err := strconv.ParseFloat(cell("quantity"), 64)
	if err != nil {
		return l, false, fmt.Errorf("quantity %q is not a number", cell("quantity"))
	}
	l.Tokens = int64(math.Round(quantity * unitOf(cell("unit"))))
	cost := cell("usd")
	if cost == "" {
		if cost = cell("cost"); cost != "" && cell("currency") != "" && !strings.EqualFold(cell("currency"), "USD") {
			return l, false, ErrNotUSD
		}
	}
	if cost != "" {
		dollars, err := strconv.ParseFloat(cost, 64)
		if err != nil {
			return l, false, fmt.Errorf("cost %q is not a number", cost)
		}
		l.Cost, l.Priced = weir.Money(math.Round(dollars*float64(weir.Dollar))), true
	}
	return l, true, nil
}

// azureDay reads the date formats of exports: 11/30/2026, 2026-11-30, also with
// a time.
func azureDay(text string) (string, error) {
	for _, form := range []string{"01/02/2006", "1/2/2006", time.DateOnly, time.RFC3339, "2006-01-02T15:04Z", "20060102", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC().Format(time.DateOnly), nil
		}
	}
	return "", fmt.Errorf("%q is not a date: want 11/30/2026 or 2026-11-30", text)
}

// unitOf is how many tokens one of a unit of measure is: "1K", "1M Tokens", "1000".
func unitOf(text string) float64 {
	word, _, _ := strings.Cut(strings.TrimSpace(strings.ToUpper(text)), " ")
	scale := 1.0
	switch {
	case strings.HasSuffix(word, "K"):
		scale, word = 1e3, strings.TrimSuffix(word, "K")
	case strings.HasSuffix(word, "M"):
		scale, word = 1e6, strings.TrimSuffix(word, "M")
	}
	if n, err := strconv.ParseFloat(word, 64); err == nil && n > 0 {
		return n * scale
	}
	return scale
}
