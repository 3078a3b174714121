package config

import (
	_ "embed"
	"slices"
)

// schemaJSON is generated from this package's structs, their tags and their
// comments by TestTheSchemaIsThatOfTheStructs -update.
//
//go:embed schema.json
var schemaJSON []byte

// Schema is the JSON Schema (draft 2020-12) of weir.yaml, for editors.
// Everything it refuses Parse refuses too; Parse alone checks references and
// conflicts.
func Schema() []byte { return slices.Clone(schemaJSON) }
