package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError describes a bad flag: the value given and one that would do, not
// the error of the number parser.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		flag, cause := invalid.GetFlag(), invalid.Unwrap()
		var number *strconv.NumError
		want := wanted[flag.Value.Type()]
		if want != "" && (errors.As(cause, &number) || flag.Value.Type() == "duration") {
			cause = fmt.Errorf("want %s", want)
		}
		err = fmt.Errorf("--%s %q: %w", flag.Name, invalid.GetValue(), cause)
	}
	return usageError{cmd.CommandPath(), err}
}

// wanted describes a flag's values, by pflag's name of its type.
var wanted = map[string]string{
	"duration": "a time such as 500ms, 90s or 2m",
	"float64":  "a number such as 6.98, without a unit",
	"int":      "a whole number such as 8, without a unit",
	"uint64":   "a whole number, 0 or more",
	"bool":     "true or false",
}
