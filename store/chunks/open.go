package chunks

import (
	"fmt"
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
