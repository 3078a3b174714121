package storetest

import "syscall"

// endWithUs has the kernel end the server of a test that was killed.
func endWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
