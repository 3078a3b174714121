package chunks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"weir/index"
)

// At opens the index at a place: a file, or a database named by postgres://. Several
// indexes share a database by their names; a file holds one.
func At(place, name string) (index.Store, error) {
	if strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://") {
		return OpenPostgres(place, name)
	}
	if strings.Contains(place, "://") {
		return nil, fmt.Errorf("an index is in a file or in PostgreSQL (postgres://...), not at %s", place)
	}
	return Open(place)
}

// Existing opens an index to be searched. A file that is not there is not made: it may be
// another user who builds the index. It is then index.ErrEmpty.
func Existing(place, name string) (index.Store, error) {
	if !strings.Contains(place, "://") {
		if _, err := os.Stat(place); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is not there: %w", place, index.ErrEmpty)
		}
	}
	return At(place, name)
}
