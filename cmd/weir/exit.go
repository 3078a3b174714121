package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"weir/config"
	"weir/report/words"
)

// Exit codes. They are part of the command's contract: scripts read them.
const (
	exitOK     = 0 // done what was asked
	exitFailed = 1 // could not do it
	exitUsage  = 2 // did not understand the command line
	exitConfig = 3 // the configuration is missing or invalid
	exitUnmet  = 4 // what simulate --require asks for is not met
)

const exitHelp = `Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  the configuration is missing or invalid`

// usageError is a command line that was not understood.
type usageError struct {
	command string
	err     error
}

func (e usageError) Error() string { return e.command + ": " + e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// configError is a configuration that cannot be used: config.Faults, or a file
// that cannot be read.
type configError struct{ err error }

func (e configError) Error() string { return e.err.Error() }
func (e configError) Unwrap() error { return e.err }

func exitCode(err error) int {
	var usage usageError
	var configuration configError
	var faults config.Faults
	var unmet unmetError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &configuration), errors.As(err, &faults):
		return exitConfig
	case errors.As(err, &unmet):
		return exitUnmet
	default:
		return exitFailed
	}
}

// explain tells people what went wrong.
func explain(w io.Writer, err error) {
	var faults config.Faults
	var usage usageError
	switch {
	case errors.As(err, &faults):
		newPainter(w).faults("error", faults)
		fmt.Fprintf(w, "%s in the configuration\n", words.Count(len(faults), "fault"))
	case errors.As(err, &usage):
		fmt.Fprintf(w, "%v\nSee `%s --help`.\n", err, usage.command)
	default:
		fmt.Fprintf(w, "weir: %v\n", err)
	}
}

// unmetError is a run that does not keep what --require asks for.
type unmetError struct{ lines []string }

func (e unmetError) Error() string {
	return "--require is not met: " + strings.Join(e.lines, "; ")
}
