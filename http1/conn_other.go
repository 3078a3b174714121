//go:build !unix

package http1

func (c *conn) canWaitEmpty() bool   { return false }
func (c *conn) fillWhenReady() error { panic("not reached: canWaitEmpty is false") }
func (c *conn) try(uintptr) bool     { return true }
func (c *conn) listen(uintptr)       {}

// alive cannot be told here without reading: a stale connection is noticed by
// the call that uses it, and replaced.
func (c *conn) alive() bool { return true }
