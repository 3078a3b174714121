package kubernetes_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"weir/fleet/kubernetes"
)

// TestAWriteThatMeetsAnother: another client writes after Weir has read and before
// its own write is stored. The API server asks a webhook in between, which does it:
// so the conflict is sure. Where the number is another's, Weir leaves it and says
// whose; where only a label is, Weir's number is written the next time.
func TestAWriteThatMeetsAnother(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, sub string
		held      bool
		want      int64
	}{
		"the number": {`{"spec":{"replicas":3}}`, "scale", true, 3},
		"a label":    {`{"metadata":{"labels":{"a":"b"}}}`, "", false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.workload("Deployment", "")
			f, _ := w.start(w.options("Deployment"), 4)
			w.between(func() error {
				sub := []string{}
				if c.sub != "" {
					sub = append(sub, c.sub)
				}
				_, err := w.resource("apps/v1", "deployments", w.namespace).Patch(soon(t), "m", types.MergePatchType, []byte(c.body), metav1.PatchOptions{FieldManager: "somebody"}, sub...)
				return err
			})
			err := f.Scale(soon(t), "m", 2, nil)
			if errors.Is(err, kubernetes.ErrHeld) != c.held || (err != nil) != c.held {
				t.Errorf("%v, want it held: %v", err, c.held)
			}
			if c.held && !strings.Contains(fmt.Sprint(err), "somebody (scale) wrote 3 where Weir had 0") {
				t.Errorf("%v does not say who wrote", err)
			}
			if n := w.replicas("deployments"); n != c.want {
				t.Errorf("the number is %d, want %d", n, c.want)
			}
			refused := 0
			for _, e := range w.audit() {
				if e.Verb == "update" && e.ObjectRef.Subresource == "scale" && e.ResponseStatus.Code == http.StatusConflict {
					refused++
				}
			}
			if refused != 1 {
				t.Errorf("%d writes met another, want 1", refused)
			}
		})
	}
}

// between has the API server call do before it stores Weir's first write of a number
// in the world's namespace.
func (w *world) between(do func() error) {
	w.Helper()
	var asked, calls atomic.Int64
	hook := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct {
				UID      string
				UserInfo struct{ Username string }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			w.Errorf("the webhook: %v", err)
		}
		asked.Add(1)
		if strings.HasPrefix(review.Request.UserInfo.Username, "system:serviceaccount:weir:") && calls.Add(1) == 1 {
			if err := do(); err != nil {
				w.Errorf("the other write: %v", err)
			}
		}
		rw.Header().Set("content-type", "application/json")
		fmt.Fprintf(rw, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true}}`, review.Request.UID)
	}))
	dir := w.TempDir()
	authority := certificate(w.T, dir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		w.Fatal(err)
	}
	hook.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	hook.StartTLS()
	w.Cleanup(hook.Close)
	name := "between-" + w.namespace
	w.apply(fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: %s}
webhooks:
- name: between.example.org
  clientConfig: {url: %q, caBundle: %s}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
  rules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments/scale], operations: [UPDATE]}]
  sideEffects: None
  admissionReviewVersions: [v1]
`, name, hook.URL, authority, w.namespace))
	w.Cleanup(func() {
		_ = w.resource("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "").Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	w.until("the API server asks the webhook", func() (bool, string) {
		_, err := w.resource("apps/v1", "deployments", w.namespace).Patch(soon(w.T), "m", types.MergePatchType, []byte(`{"spec":{"replicas":0}}`),
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}, "scale")
		return asked.Load() > 0, fmt.Sprint(err)
	})
}
