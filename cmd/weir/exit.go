package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"weir/config"
	"weir/internal/paint"
	"weir/report/words"
)

// Exit codes. They are part of the command's contract: scripts read them.
const (
	exitOK     = 0 // success
	exitFailed = 1 // failure
	exitUsage  = 2 // the command line was not understood
	exitConfig = 3 // the configuration is missing or invalid
	exitUnmet  = 4 // a condition of simulate --require is not met
)

const exitHelp = `Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  the configuration is missing or invalid`

// usageError is an error of the command line.
type usageError struct {
	command string
	err     error
}

func (e usageError) Error() string { return e.command + ": " + e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// configError is an unusable configuration: config.Faults, or an unreadable
// file.
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

// explain prints an error for people.
func explain(w io.Writer, err error) {
	var faults config.Faults
	var usage usageError
	switch {
	case errors.As(err, &faults):
		paint.Faults(w, "error", faults)
		fmt.Fprintf(w, "%s in the configuration\n", words.Count(len(faults), "fault"))
	case errors.As(err, &usage):
		fmt.Fprintf(w, "%v\nSee `%s --help`.\n", err, usage.command)
	default:
		fmt.Fprintf(w, "weir: %v\n", err)
	}
}

// unmetError is a run that misses a condition of --require.
type unmetError struct{ lines []string }

func (e unmetError) Error() string {
	return "--require is not met: " + strings.Join(e.lines, "; ")
}
