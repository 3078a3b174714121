// Package gguf holds fit's reading of GGUF files against gguf-parser-go, which
// gpustack uses: the same headers, of real shapes and real mixes of formats,
// through both. It is a module of its own, so that Weir does not depend on it.
package gguf
