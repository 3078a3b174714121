package upstream_test

import (
	"testing"
	"time"

	"weir"
	. "weir/upstream"
)

func TestAnAccountThatIsUsedUpIsToldFromThrottling(t *testing.T) {
	f := func(want bool, status int, body string) {
		t.Helper()
		if got := ReadFailure(weir.OpChat, status, headersOf(""), []byte(body), time.Time{}); got.Exhausted != want {
			t.Errorf("%d %s: %v", status, body, got.Exhausted)
		}
	}
	f(true, 429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`)
	f(true, 429, `{"error":{"message":"x","type":"insufficient_quota","code":null}}`)
	f(true, 429, `{"error":{"message":"x","type":"requests","code":"billing_hard_limit_reached"}}`)
	f(true, 402, `{"error":{"message":"Insufficient Balance"}}`)
	f(false, 429, `{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}`)
	f(false, 429, ``)
	if f := ReadStreamFailure([]byte(`{"error":{"message":"x","code":"insufficient_quota"}}`)); !f.Exhausted {
		t.Error("inside a stream it is not seen")
	}
}

func TestWhatIsAskedBeyondBeliefIsKept(t *testing.T) {
	f := ReadFailure(weir.OpChat, 429, headersOf("retry-after: 86400"), nil, time.Time{})
	if f.RetryAfter != time.Hour || f.Asked != 24*time.Hour || !f.HasRetryAfter || !f.Throttled {
		t.Errorf("%+v", f)
	}
	if f = ReadFailure(weir.OpChat, 429, headersOf("retry-after: 60"), nil, time.Time{}); f.RetryAfter != time.Minute || f.Asked != 0 {
		t.Errorf("%+v", f)
	}
}
