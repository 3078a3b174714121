package config

import (
	"math/big"
	"strconv"
)

// countPattern is how a number of many things, such as tokens, may be written
// with a unit.
const countPattern = `^[0-9]{1,15}(\.[0-9]{1,15})?[kM]$`

// ParseCount reads a number of tokens or other many things: plain, or in
// thousands (450k) or millions (1.5M). problem says what is wrong with the text.
func ParseCount(text string) (n int64, problem string) {
	number, multiple := text, int64(1)
	if text != "" {
		if m, ok := rateMultiples[text[len(text)-1:]]; ok {
			number, multiple = text[:len(text)-1], m
		}
	}
	x, ok := decimal(number)
	if !ok {
		return 0, numberProblem(text)
	}
	x.Mul(x, new(big.Rat).SetInt64(multiple))
	switch {
	case !x.IsInt():
		return 0, "is not a whole number"
	case !x.Num().IsInt64():
		return 0, "is too large"
	}
	return x.Num().Int64(), ""
}

// many is the least upper bound of a number that may be written with k or M.
const many = 1_000_000

// isMany says whether a field counts what there may be a million of.
func (f field) isMany() bool {
	most, err := strconv.ParseInt(f.max, 10, 64)
	return err == nil && most >= many
}
