package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// This file guards against changes of a SQLite file from outside: another Weir
// that writes to it, or a file that is removed, emptied or damaged while Weir
// runs.

// ErrInUse: another Weir writes to the file.
var ErrInUse = errors.New("in use by another weir")

// ErrDamaged: the database is no longer the one that was opened. Unwritten rows
// are kept and tried again.
var ErrDamaged = errors.New("the database is damaged")

// Own makes this process the only writer of usage to the file, until Close or
// its end in any way; ErrInUse if another has it. For PostgreSQL, which has
// many writers, it does nothing.
func (d *DB) Own() error {
	if d.path == "" {
		return nil
	}
	path, err := filepath.EvalSymlinks(d.path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	// SQLite's own locks are on the file itself, and opening it here would drop
	// them.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return fmt.Errorf("store: %s: %w: stop that one, or name another file (two gateways share a database by store.postgres): %w", d.path, ErrInUse, err)
	}
	d.lock = lock
	return nil
}

// present says whether the file is still the one that was opened: SQLite would
// go on writing to a removed file, and those rows would be lost.
func (d *DB) present() error {
	if d.path == "" {
		return nil
	}
	is, err := os.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the file was removed: stop weir, restore it or let weir create a new one, and start again", ErrDamaged)
	case err != nil:
		return err
	case !os.SameFile(is, d.opened):
		return fmt.Errorf("%w: it was replaced by another file: start weir again to use that", ErrDamaged)
	case is.Size() == 0:
		return fmt.Errorf("%w: the file was emptied: stop weir, restore a copy or remove it, and start again", ErrDamaged)
	}
	return nil
}

// named describes errors that the database itself found.
func named(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "malformed") || strings.Contains(text, "not a database"):
		return fmt.Errorf("%w: the file is corrupt: stop weir, restore a copy or move it away, and start again: %w", ErrDamaged, err)
	case strings.Contains(text, "no such table") || strings.Contains(text, "does not exist") && strings.Contains(text, "relation"):
		return fmt.Errorf("%w: its tables are gone: start weir again to recreate them: %w", ErrDamaged, err)
	}
	return err
}
