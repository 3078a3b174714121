package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// issuer issues tokens that last an hour, each after a second, unless it is down.
type issuer struct {
	mu     sync.Mutex
	issued int
	asked  int
	down   error
	scopes []string
}

func (s *issuer) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	time.Sleep(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.scopes = o.Scopes
	if s.down != nil {
		return azcore.AccessToken{}, s.down
	}
	s.issued++
	return azcore.AccessToken{Token: fmt.Sprint("t", s.issued), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (s *issuer) set(down error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func TestATokenIsSharedAndRenewedBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{}
		c := (&tokens{source: s, scope: "x"}).credential
		want := func(token string, within time.Duration) {
			t.Helper()
			start := time.Now()
			h, v, err := c(t.Context())
			if h != "Authorization" || v != "Bearer "+token || err != nil || time.Since(start) != within {
				t.Fatalf("%s: %q, %v after %v; want %s after %v", h, v, err, time.Since(start), token, within)
			}
		}
		var first sync.WaitGroup
		for range 10 {
			first.Go(func() { want("t1", time.Second) })
		}
		first.Wait()
		time.Sleep(54 * time.Minute)
		want("t1", 0)
		time.Sleep(2 * time.Minute)
		want("t1", 0) // due: renewed in the background, no call waits
		synctest.Wait()
		time.Sleep(2 * time.Second)
		want("t2", 0)
		if s.asked != 2 || s.scopes[0] != "x" {
			t.Errorf("asked %d times for %v", s.asked, s.scopes)
		}
		time.Sleep(2 * time.Hour)
		want("t3", time.Second) // no call came while it was due
	})
}

func TestAnIssuerThatIsDownIsAskedNowAndThenAndTheTokenServesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{down: errors.New("IMDS is away")}
		c := (&tokens{source: s, scope: "x"}).credential
		for range 5 {
			if _, _, err := c(t.Context()); !errors.Is(err, s.down) {
				t.Fatal(err)
			}
		}
		if s.asked != 1 {
			t.Errorf("asked %d times within a second, want 1", s.asked)
		}
		s.set(nil)
		time.Sleep(2 * time.Second)
		if _, v, err := c(t.Context()); v != "Bearer t1" || err != nil {
			t.Fatal(v, err)
		}
		s.set(errors.New("away again"))
		for range 60 * 10 {
			time.Sleep(time.Second)
		}
		time.Sleep(46 * time.Minute)
		asked := s.asked
		for range 60 {
			if _, v, err := c(t.Context()); v != "Bearer t1" || err != nil {
				t.Fatal(v, err)
			}
			time.Sleep(time.Second)
		}
		if tries := s.asked - asked; tries < 4 || tries > 7 {
			t.Errorf("%d tries in a minute, want one in %v", tries, renewPause)
		}
	})
}

func TestAWaitForATokenEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&tokens{source: &issuer{}, scope: "x"}).credential
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, _, err := c(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, v, err := c(t.Context()); v != "Bearer t1" || err != nil {
			t.Error("what the other began serves this one:", v, err)
		}
	})
}

func TestIdentitiesAreChosenByName(t *testing.T) {
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent")
	t.Setenv("AZURE_CLIENT_ID", "c")
	t.Setenv("AZURE_TENANT_ID", "t")
	t.Setenv("AZURE_CLIENT_SECRET", "s")
	for _, name := range []string{"", "default", "managed_identity", "workload_identity", "cli", "environment"} {
		if _, err := Entra(EntraOptions{Identity: name, ClientID: "c", TenantID: "t"}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := Entra(EntraOptions{Identity: "kerberos"}); err == nil || !strings.Contains(err.Error(), "workload_identity") {
		t.Error(err)
	}
}
