package storetest

import "syscall"

// endWithUs has the kernel end a server whose test was killed.
func endWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
