package cache

import (
	"fmt"
	"strings"
	"testing"
)

// What a request's key costs.
func BenchmarkKey(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10} {
		body := fmt.Appendf(nil, `{"model":"m","temperature":0,"messages":[{"role":"user","content":"%s"}]}`, strings.Repeat("some words of a prompt, ", size/24))
		var r Body
		b.Run(fmt.Sprintf("%dKiB/canonical", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if why := r.Read(body, true); why != "" {
					b.Fatal(why)
				}
			}
		})
		b.Run(fmt.Sprintf("%dKiB/hash", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				KeyOf(&Scope{Tenant: "t", Model: "m"}, r.Canonical)
			}
		})
	}
}
