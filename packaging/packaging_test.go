// Package packaging holds what Weir is shipped in to what the guide says of it:
// the container image and the service of systemd. An image cannot be built where
// there is no container engine, so its instructions are read, and its binary is
// built as they say.
package packaging

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// instruction is one of a Dockerfile, such as {"USER", "65532"}.
type instruction struct{ verb, rest string }

func dockerfile(t *testing.T) (all []instruction) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{verb, strings.TrimSpace(rest)})
	}
	return all
}

// lastStage is what the image itself is made by.
func lastStage(all []instruction) []instruction {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].verb == "FROM" {
			return all[i:]
		}
	}
	return nil
}

func of(all []instruction, verb string) (rests []string) {
	for _, x := range all {
		if x.verb == verb {
			rests = append(rests, x.rest)
		}
	}
	return rests
}

func TestTheImageHoldsOneBinaryAndRunsItWithoutRights(t *testing.T) {
	image := lastStage(dockerfile(t))
	if from := of(image, "FROM"); len(from) != 1 || from[0] != "gcr.io/distroless/static-debian12:nonroot" {
		t.Errorf("the image is made from %q, want certificates and a user alone", from)
	}
	if user := of(image, "USER"); len(user) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user[0]) {
		t.Errorf("it runs as %q, want one user and group by numbers that are not 0: an orchestrator can then see that it is not root", user)
	}
	if run := of(image, "RUN"); len(run) > 0 {
		t.Errorf("it runs %q: there is no shell in it", run)
	}
	for _, verb := range []string{"ENTRYPOINT", "CMD"} {
		var words []string
		if x := of(image, verb); len(x) != 1 || json.Unmarshal([]byte(x[0]), &words) != nil {
			t.Errorf("%s is %q, want one list of words: there is no shell in it", verb, x)
		}
	}
	for _, written := range of(image, "VOLUME") {
		if written != "/var/lib/weir" {
			t.Errorf("%s is written to, want /var/lib/weir alone", written)
		}
	}
}

func TestTheImageIsBuiltByTheModulesGoAndAsAReleaseIs(t *testing.T) {
	all := dockerfile(t)
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if from := of(all, "FROM"); from[0] != "golang:"+version+" AS build" {
		t.Errorf("it is built from %q, go.mod says %s", from[0], version)
	}
	var built []string
	for _, line := range of(all, "RUN") {
		if strings.Contains(line, "scripts/release /out") {
			built = append(built, line)
		}
		if strings.Contains(line, "go build") {
			t.Errorf("%q builds beside the release's own script", line)
		}
	}
	if len(built) != 1 {
		t.Errorf("want one line that runs scripts/release, have %q", built)
	}
}

// image is what the Dockerfile's build stage leaves, in a folder of its own. It is
// built without version control: `az acr build` sends no .git.
func image(t *testing.T) (out string) {
	t.Helper()
	out, src := filepath.Join(t.TempDir(), "out"), t.TempDir()
	if text, err := exec.Command("sh", "-c", "tar -C .. --exclude ./.git --exclude ./bin --exclude ./dist -cf - . | tar -xf - -C "+src).CombinedOutput(); err != nil {
		t.Fatalf("copy of the tree: %v\n%s", err, text)
	}
	for _, line := range of(dockerfile(t), "RUN") {
		if line == "go mod download" {
			continue
		}
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(line, "/out", out))
		cmd.Dir = src
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, text)
		}
	}
	return out
}

// TestTheBinaryRunsWhereThereIsNothing builds as the image does and looks for
// what would need a file of the system.
func TestTheBinaryRunsWhereThereIsNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Logf("%s builds other binaries than the image's", runtime.GOOS)
		return
	}
	files := image(t)
	out := filepath.Join(files, "weir")
	f, err := elf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("it wants a loader: it is not static")
	}
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("it wants libraries: %v, %v", libs, err)
	}
	bare := exec.Command(out, "version")
	bare.Env, bare.Dir = []string{}, "/"
	if text, err := bare.CombinedOutput(); err != nil || !bytes.HasPrefix(text, []byte("weir ")) {
		t.Errorf("without an environment: %v: %s", err, text)
	}
	verify(t, out)
	materials(t, filepath.Join(files, "weir.cdx.json"))
	serveInTheImage(t, files)
}

// materials: the bill lists the modules that the binary is made of.
func materials(t *testing.T, file string) {
	t.Helper()
	var bill struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(read(t, file)), &bill); err != nil || bill.BOMFormat != "CycloneDX" {
		t.Fatalf("%s: format %q, %v", file, bill.BOMFormat, err)
	}
	if !slices.ContainsFunc(bill.Components, func(c struct{ Name, Version string }) bool {
		return c.Name == "modernc.org/sqlite" && c.Version != ""
	}) {
		t.Errorf("%d components, and the ledger's library is not one", len(bill.Components))
	}
}

// verify has systemd look at the unit, where there is a systemd.
func verify(t *testing.T, binary string) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("systemd-analyze is not here: the unit is only read")
		return
	}
	unit := filepath.Join(t.TempDir(), "weir.service")
	text := strings.ReplaceAll(read(t, "weir.service"), "/usr/bin/weir", binary)
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestTheServiceHasNoRightsItDoesNotNeed(t *testing.T) {
	unit := "\n" + read(t, "weir.service")
	for _, want := range []string{
		"DynamicUser=yes", "StateDirectory=weir", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes",
		"ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectControlGroups=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes", "LockPersonality=yes", "MemoryDenyWriteExecute=yes",
		"SystemCallFilter=@system-service", "UMask=0077", "ExecReload=/bin/kill -HUP $MAINPID", "KillMode=mixed",
	} {
		if !strings.Contains(unit, "\n"+want+"\n") {
			t.Errorf("weir.service does not say %s", want)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
