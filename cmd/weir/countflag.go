package main

import (
	"errors"
	"math"
	"strconv"

	"github.com/spf13/pflag"

	"weir/config"
)

// countFlag is a flag for a number of tokens: plain, in thousands (8k) or in
// millions (1.5M), as in every file.
type countFlag struct{ to *int }

// tokensVar adds a flag for a number of tokens.
func tokensVar(fs *pflag.FlagSet, to *int, name string, otherwise int, usage string) {
	*to = otherwise
	fs.Var(countFlag{to}, name, usage)
}

func (f countFlag) String() string {
	if f.to == nil {
		return "0"
	}
	return strconv.Itoa(*f.to)
}

// Type is the type of value that pflag shows.
func (f countFlag) Type() string { return "int" }

// Set reads the flag's text.
func (f countFlag) Set(text string) error {
	n, problem := config.ParseCount(text)
	if problem == "" && n > math.MaxInt32 {
		problem = "is more than " + strconv.Itoa(math.MaxInt32)
	}
	if problem != "" {
		return errors.New(problem + "; write a whole number such as 8192, 8k or 1.5M")
	}
	*f.to = int(n)
	return nil
}
