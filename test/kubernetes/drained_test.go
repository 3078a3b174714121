package kubernetes_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestAPodThatEndsWaitsForItsRequests runs the preStop of manifests, as the pod
// would, before metrics as vLLM writes them: it ends when none is running or waiting.
// A worker of a LeaderWorkerSet asks its leader, at the address its controller gives.
func TestAPodThatEndsWaitsForItsRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, at, leader string }{
		"a pod by itself": {"deployment", "template", ""},
		"a leader":        {"group_vllm", "leaderWorkerTemplate.leaderTemplate", "of no use"},
		"a worker":        {"group_vllm", "leaderWorkerTemplate.workerTemplate", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../manifest/testdata/" + c.file + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			w := &world{T: t}
			first, _, _ := strings.Cut(string(text), "\n---\n")
			path := append(append([]string{"spec"}, strings.Split(c.at, ".")...), "spec", "containers")
			containers, _, err := unstructured.NestedSlice(w.file(first).Object, path...)
			if err != nil || len(containers) != 1 {
				t.Fatalf("%d containers, %v", len(containers), err)
			}
			command, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "lifecycle", "preStop", "exec", "command")
			if err != nil || len(command) != 3 {
				t.Fatalf("preStop runs %q, %v", command, err)
			}
			ends(t, command, c.leader)
		})
	}
}

// ends runs a preStop before an engine that has requests, and then none.
func ends(t *testing.T, command []string, leader string) {
	t.Helper()
	var asked atomic.Int64
	left := []string{"1.0 0.0", "", "0.0 2.0", "0.0 0.0"} // "": too busy to answer
	engine := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var running, waiting string
		n := min(int(asked.Add(1)), len(left))
		if left[n-1] == "" {
			<-r.Context().Done()
			return
		}
		_, _ = fmt.Sscan(left[n-1], &running, &waiting)
		fmt.Fprintf(rw, `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} %s
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} %s
vllm:prompt_tokens_total{engine="0",model_name="m"} 7.0
`, running, waiting)
	}))
	defer engine.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(engine.URL, "http://"), ":")
	program := strings.NewReplacer(":8000/", ":"+port+"/", "sleep(5)", "sleep(0)", "sleep(1)", "sleep(0)", "timeout=5", "timeout=0.5").Replace(command[2])
	run := func() ([]byte, error) {
		cmd := exec.Command(command[0], command[1], program)
		cmd.Env = append(os.Environ(), "LWS_LEADER_ADDRESS="+leader)
		return cmd.CombinedOutput()
	}
	if out, err := run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("it asked %d times, want 4: one request running, no answer in time, two waiting, none", n)
	}
	engine.Close()
	if out, err := run(); err == nil {
		t.Errorf("before an engine that is gone it waits for nothing, and says so: %s", out)
	}
}
