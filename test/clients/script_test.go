package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The scripts print a line for each check and exit with the number that failed.

func TestPythonSDKs(t *testing.T) {
	script(t, exec.Command(filepath.Join(installed(t), "python", "bin", "python"), "python_client.py"))
}

func TestNodeSDK(t *testing.T) {
	dir := filepath.Join(installed(t), "node")
	// Node resolves packages from where the script lies.
	source, err := os.ReadFile(filepath.Join("node", "client.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "client.mjs")
	if err := os.WriteFile(at, source, 0o600); err != nil {
		t.Fatal(err)
	}
	script(t, exec.Command("node", at))
}

// installed is where scripts/client-deps put the SDKs. Without them the test
// fails: it tests nothing else.
func installed(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("WEIR_CLIENTS")
	if dir == "" {
		t.Fatal("WEIR_CLIENTS is not set: run `make test-clients`, which installs the SDKs and names their folder")
	}
	return dir
}

func script(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Env = append(os.Environ(), "WEIR_URL="+world.url, "WEIR_ADMIN="+world.admin, "WEIR_KEY="+world.key, "WEIR_LIMITED_KEY="+world.limitedKey)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
