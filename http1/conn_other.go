//go:build !unix

package http1

func (c *conn) canWaitEmpty() bool   { return false }
func (c *conn) fillWhenReady() error { panic("not reached: canWaitEmpty is false") }
func (c *conn) try(uintptr) bool     { return true }
func (c *conn) listen(uintptr)       {}

// alive cannot check without reading: a stale connection is detected by the call that
// uses it, and replaced.
func (c *conn) alive() bool { return true }
