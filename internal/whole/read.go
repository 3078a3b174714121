// Package whole writes files that are there as a whole or not at all, however
// the process that writes them ends, and reads none in part.
package whole

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Read reads a file of at most limit bytes.
func Read(path string, limit int64) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, fmt.Errorf("%s has more than the %d bytes that are read", path, limit)
	}
	return text, err
}
