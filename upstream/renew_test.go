package upstream

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A token that a server refuses is renewed at once, once for all calls that were
// refused together, and not again and again where that does not help.
func TestARefusedTokenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{}
		c, renew := Renewed(s, "x")
		sent := func() string {
			t.Helper()
			_, v, err := c(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		used := sent()
		time.Sleep(time.Minute)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if !renew(t.Context(), used) {
					t.Error("no other token")
				}
			})
		}
		all.Wait()
		if v := sent(); v != "Bearer t2" || s.asked != 2 {
			t.Errorf("%s after %d requests", v, s.asked)
		}
		time.Sleep(time.Second)
		if renew(t.Context(), sent()) {
			t.Error("renewed again within the pause")
		}
		if s.asked != 2 {
			t.Errorf("%d requests", s.asked)
		}
	})
}
