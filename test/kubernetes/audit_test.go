package kubernetes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// write is a write of a number of replicas, as the API server's audit log has it.
type write struct {
	At         time.Time
	To         int
	Credential string // of the gateway's token
}

// event is a line of the audit log.
type event struct {
	Verb      string
	ObjectRef struct{ Namespace, Resource, Name, Subresource string }
	User      struct {
		Username string
		Extra    map[string][]string
	}
	RequestObject  struct{ Spec struct{ Replicas int } }
	ResponseStatus struct{ Code int }

	RequestReceivedTimestamp time.Time
}

// writes are the numbers written to the world's workload, in order, by Weir.
func (w *world) writes() (ws []write) {
	for _, e := range w.audit() {
		if e.Verb != "update" || e.ObjectRef.Subresource != "scale" || e.ResponseStatus.Code != 200 {
			continue
		}
		ids := e.User.Extra["authentication.kubernetes.io/credential-id"]
		ws = append(ws, write{At: e.RequestReceivedTimestamp, To: e.RequestObject.Spec.Replicas, Credential: fmt.Sprint(slices.Concat(ids, []string{""})[0])})
	}
	return ws
}

// deleted are the pods that a controller or another client has deleted, apart from
// the kubelet's last word, in order.
func (w *world) deleted() (pods []string) {
	for _, e := range w.audit() {
		if e.Verb == "delete" && e.ObjectRef.Resource == "pods" && e.ObjectRef.Subresource == "" && e.User.Username != "kubelet" && e.ResponseStatus.Code == 200 {
			pods = append(pods, e.ObjectRef.Name)
		}
	}
	return pods
}

// asked counts Weir's requests about the world, by verb and resource.
func (w *world) asked() map[string]int {
	n := map[string]int{}
	for _, e := range w.audit() {
		if e.User.Username == "system:serviceaccount:weir:weir" {
			n[strings.TrimSuffix(e.Verb+" "+e.ObjectRef.Resource+"/"+e.ObjectRef.Subresource, "/")]++
		}
	}
	return n
}

// audit is what the log has of the world's namespace.
func (w *world) audit() (es []event) {
	w.Helper()
	return w.auditOf(w.namespace)
}

func (w *world) auditOf(namespace string) (es []event) {
	w.Helper()
	text, err := os.ReadFile(w.plane.at("audit"))
	if err != nil {
		w.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) || !bytes.Contains(line, []byte(`"`+w.namespace+`"`)) {
			continue // another world's, or half written
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			w.Fatal(err)
		}
		if e.ObjectRef.Namespace == namespace {
			es = append(es, e)
		}
	}
	return es
}
