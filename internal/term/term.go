// Package term knows what the other end of an output is: a terminal that shows
// colours and a bar of progress, or a file.
package term

import (
	"io"
	"os"
)

// Colourful says whether w is a terminal whose user wants colours
// (https://no-color.org).
func Colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
