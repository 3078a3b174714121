package main

import (
	"math"
	"strconv"
	"strings"

	"weir"
)

// dollarsOf is money in JSON: US dollars as a number, exact to a millionth.
type dollarsOf weir.Money

func (d dollarsOf) MarshalJSON() ([]byte, error) {
	return []byte(strings.Replace(weir.Money(d).String(), "$", "", 1)), nil
}

func (d *dollarsOf) UnmarshalJSON(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	*d = dollarsOf(math.Round(f * float64(weir.Dollar)))
	return err
}
