package config

import (
	"math/big"
	"strconv"
)

// countPattern is a large number, such as one of tokens, written with a unit.
const countPattern = `^[0-9]{1,15}(\.[0-9]{1,15})?[kM]$`

// ParseCount reads a large number, such as one of tokens: plain, or in
// thousands (450k) or millions (1.5M). problem describes a bad text.
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

// many is the least maximum of a field that accepts k and M.
const many = 1_000_000

// isMany says whether a field's maximum is a million or more.
func (f field) isMany() bool {
	most, err := strconv.ParseInt(f.max, 10, 64)
	return err == nil && most >= many
}
