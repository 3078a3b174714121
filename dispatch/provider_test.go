package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// Two gateways that exchange their bookings estimate a quota as one gateway
// with all bookings does.
func TestQuotasThatAreToldAreAsFullAsOneQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := Quota{Drain: 100_000, TokensPerMinute: 50_000, RequestsPerMinute: 600}
		one, parts := newQuota(0, q, nil), [2]*quota{newQuota(0, q, nil), newQuota(0, q, nil)}
		var heard [2]Booked
		now := weir.Instant(1_800_000_000_000_000_000)
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			prompt, used := rapid.IntRange(0, 4000).Draw(t, "prompt"), rapid.IntRange(0, 4000).Draw(t, "answer")
			p := parts[rapid.IntRange(0, 1).Draw(t, "gateway")]
			usage := weir.Usage{Prompt: int64(prompt), Completion: int64(used)}
			one.correct(now, one.book(now, prompt, 100), usage)
			p.correct(now, p.book(now, prompt, 100), usage)
			for i, p := range parts {
				all := parts[1-i].all
				p.remote(now, Booked{all.Drain - heard[i].Drain, all.Tokens - heard[i].Tokens, all.Requests - heard[i].Requests})
				heard[i] = all
			}
			for i, p := range parts {
				if p.empty != one.empty || p.tokens.sum != one.tokens.sum || p.tenth.sum != one.tenth.sum {
					t.Fatalf("gateway %d: %v %d %d, want %v %d %d", i, p.empty, p.tokens.sum, p.tenth.sum, one.empty, one.tokens.sum, one.tenth.sum)
				}
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
		}
	})
}
