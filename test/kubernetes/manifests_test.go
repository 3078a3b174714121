package kubernetes_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"weir/config"
)

// TestTheAPIServerTakesEveryManifest: as kubectl apply --dry-run=server would, with
// no unknown field let through. The weir.yaml in them is one that Weir takes.
func TestTheAPIServerTakesEveryManifest(t *testing.T) {
	t.Setenv("WEIR_ADMIN_TOKEN", "a-token-that-is-long-enough-for-weir")
	w := newWorld(t, 0) // makes namespace weir, too
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
			var o map[string]any
			if err := d.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			u := &unstructured.Unstructured{Object: o}
			if u.GetNamespace() == "models" {
				u.SetNamespace(w.namespace)
			}
			u.SetName(u.GetName() + "-dry") // beside those that are there
			if _, err := w.resource(u.GetAPIVersion(), resources[u.GetKind()], u.GetNamespace()).Create(soon(t), u,
				metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
				t.Errorf("%s: %s %s: %v", file, u.GetKind(), u.GetName(), err)
			}
			if text, found, _ := unstructured.NestedString(o, "data", "weir.yaml"); found {
				if _, err := config.Parse(file, []byte(text)); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
}
