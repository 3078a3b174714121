package main

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// quiet waits, for a limited time, until the machine is idle: the proxies get no
// request at that moment, so any load comes from other programs.
func quiet() {
	for range 20 {
		busy, all := processors()
		time.Sleep(250 * time.Millisecond)
		b, a := processors()
		if float64(b-busy) < 0.25*float64(a-all) {
			return
		}
	}
}

// accounts are processor times at a moment.
type accounts struct{ busy, all, ours int64 }

// ledger takes them. What still runs of ours is counted when it has ended.
func ledger() accounts {
	var self, children syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)
	busy, all := processors()
	ours := self.Utime.Nano() + self.Stime.Nano() + children.Utime.Nano() + children.Stime.Nano()
	return accounts{busy, all, ours / int64(tick)}
}

// others is the share of the processors' time that other programs took since.
func (a accounts) others() float64 {
	b := ledger()
	return max(0, float64(b.busy-a.busy-(b.ours-a.ours))/float64(max(b.all-a.all, 1)))
}

// processors reads the first line of /proc/stat: ticks spent busy, and all.
func processors() (busy, all int64) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := bytes.Cut(b, []byte("\n"))
	for i, f := range bytes.Fields(line) {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		if i == 0 || i > 8 { // the word "cpu"; guests, counted already
			continue
		}
		all += n
		if i != 4 && i != 5 { // idle, waiting for a disk
			busy += n
		}
	}
	return busy, all
}
