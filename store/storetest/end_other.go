//go:build unix && !linux

package storetest

import "syscall"

func endWithUs(*syscall.SysProcAttr) {}
