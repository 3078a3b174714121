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
	if from := of(image, "FROM"); len(from) != 1 || from[0] != "scratch" {
		t.Errorf("the image is made from %q, want nothing (scratch)", from)
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
	flags := regexp.MustCompile(`go build (-trimpath -ldflags )['"]([^'"]*)['"]`)
	release, image := flags.FindStringSubmatch(read(t, "../scripts/release")), flags.FindStringSubmatch(buildLine(t, all))
	if release == nil || image == nil || release[2] != image[2] {
		t.Errorf("built with %q, a release with %q", image, release)
	}
}

func buildLine(t *testing.T, all []instruction) string {
	t.Helper()
	for _, line := range of(all, "RUN") {
		if strings.Contains(line, "go build") {
			return line
		}
	}
	t.Fatal("no line builds it")
	return ""
}

// TestTheBinaryRunsWhereThereIsNothing builds as the image does and looks for
// what would need a file of the system.
func TestTheBinaryRunsWhereThereIsNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Logf("%s builds other binaries than the image's", runtime.GOOS)
		return
	}
	out := filepath.Join(t.TempDir(), "weir")
	line := strings.Replace(buildLine(t, dockerfile(t)), "-o /out/weir", "-o "+out, 1)
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = ".."
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, text)
	}
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
