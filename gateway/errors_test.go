package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/upstream"
)

func TestEveryErrorHasItsAnswer(t *testing.T) {
	for err, a := range answers {
		if a.status < 400 || a.status > 599 || a.fault == weir.NoFault || a.code == "" || a.kind == "" {
			t.Errorf("%v: %+v", err, a)
		}
		if a.status >= 500 && a.fault == weir.CallerFault {
			t.Errorf("%v: status %d and fault %s contradict each other", err, a.status, a.fault)
		}
		if a.fault == weir.GatewayFault && a.status < 500 {
			t.Errorf("%v: the gateway's fault with status %d", err, a.status)
		}
	}
	// Every sentinel of errors.go is in the table.
	f, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	sentinels := 0
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, s := range g.Specs {
				if strings.HasPrefix(s.(*ast.ValueSpec).Names[0].Name, "err") {
					sentinels++
				}
			}
		}
	}
	if sentinels != len(answers) {
		t.Errorf("%d sentinels, %d rows", sentinels, len(answers))
	}
}

func TestWrappedErrorsKeepTheirRowAndStrangersAreTheGatewaysFault(t *testing.T) {
	p, a := explain(fmt.Errorf("deep: %w", &problem{is: errQueueFull, message: "m"}))
	if a.code != "queue_full" || p.Error() != "m" {
		t.Error(p, a)
	}
	p, a = explain(fmt.Errorf("the words: %w", errNoModel))
	if a.code != "missing_model" || p.Error() != "the words: "+errNoModel.Error() {
		t.Error(p, a)
	}
	if _, a = explain(errors.New("strange")); a.code != "internal_error" || a.fault != weir.GatewayFault {
		t.Error(a)
	}
	if _, a = explain(&problem{is: errors.New("strange")}); a.code != "internal_error" {
		t.Error(a)
	}
}

// Each error in each dialect, as text for review.
func TestErrorsInEveryDialect(t *testing.T) {
	var out bytes.Buffer
	for _, is := range []error{errBadKey, errUnknownModel, errRequestLimit, errThrottled, errNoReplica, errSilent, errInternal} {
		p, a := explain(&problem{is: is, param: map[error]string{errUnknownModel: "model"}[is], message: `say "` + a0(is) + `"`})
		fmt.Fprintf(&out, "%s %d fault=%s\n", a.code, a.status, a.fault)
		for _, d := range []upstream.Dialect{openAI, azure, anthropic} {
			s := surface{dialect: d}
			body := s.errorBody(p, a)
			if !json.Valid(body) {
				t.Errorf("not JSON: %s", body)
			}
			fmt.Fprintf(&out, "  %s\n", body)
		}
		for _, op := range []weir.Op{weir.OpChat, weir.OpResponses, weir.OpMessages} {
			s := surface{dialect: openAI, do: openAI.Operation(op)}
			event := string(s.errorEvent(p, a, 7))
			_, data, _ := strings.Cut(event, "data: ")
			if !json.Valid([]byte(data)) || !strings.HasSuffix(event, "\n\n") || strings.Count(event, "\n\n") != 1 {
				t.Errorf("not an event: %q", event)
			}
			fmt.Fprintf(&out, "  %s: %q\n", op, event)
		}
	}
	golden(t, "errors.txt", out.Bytes())
}

func a0(err error) string { return answers[err].code }

// golden compares with a file of testdata, or writes it when UPDATE is set.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with UPDATE=1 to rewrite it\ngot:\n%s", path, got)
	}
}

func TestRetryAfterIsNeverEarlierInSecondsThanInMilliseconds(t *testing.T) {
	for after, want := range map[time.Duration][2]string{
		0: {"0", "0"}, time.Nanosecond: {"1", "1"}, 43 * time.Millisecond: {"1", "43"},
		time.Second: {"1", "1000"}, time.Second + 1: {"2", "1001"}, 90 * time.Second: {"90", "90000"},
	} {
		seconds, ms := retryAfter(after)
		if seconds != want[0] || ms != want[1] {
			t.Errorf("%s: %s s, %s ms", after, seconds, ms)
		}
	}
}
