package kubernetes_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTheAPIServerTakesEveryManifest: as kubectl apply --dry-run=server would, with
// no unknown field let through. The weir.yaml in them is one that Weir takes. Those
// of package manifest are what weir manifest prints.
func TestTheAPIServerTakesEveryManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0) // makes namespace weir, too
	w.kinds()
	for pattern, least := range map[string]int{"../../deploy/kubernetes/*.yaml": 2, "../../deploy/keda/*.yaml": 1, "../../manifest/testdata/*.yaml": 7} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < least {
			t.Fatalf("%s: %d manifests, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w.dryRun(file, string(text))
		}
	}
}
