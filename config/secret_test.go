package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const withSecrets = `
admin:
  listen: 0.0.0.0:8081
  token: env:WEIR_TEST_TOKEN
tenants:
  - name: demo
models:
  - name: chat
    deployments:
      - name: chat/a
        external:
          urls: [http://127.0.0.1:1]
          api_key: file:%s
`

func TestSecretsAreReadWhenResolved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("file-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WEIR_TEST_TOKEN", "env-secret")
	c, err := Parse("weir.yaml", fmt.Appendf(nil, withSecrets, file))
	if err != nil {
		t.Fatal(err)
	}
	if c.Admin.Token.Reveal() != "" {
		t.Error("Parse has read a secret")
	}
	if err := c.Resolve(); err != nil {
		t.Fatal(err)
	}
	key := c.Models[0].Deployments[0].External.APIKey
	if c.Admin.Token.Reveal() != "env-secret" || key.Reveal() != "file-secret" {
		t.Errorf("have %q and %q", c.Admin.Token.Reveal(), key.Reveal())
	}
}

func TestEveryMissingSecretIsNamedAtOnce(t *testing.T) {
	c, err := Parse("weir.yaml", fmt.Appendf(nil, withSecrets, "/nonexistent/key"))
	if err != nil {
		t.Fatal(err)
	}
	want := `weir.yaml:4:10: admin.token: environment variable WEIR_TEST_TOKEN is not set; set it in the environment of Weir
weir.yaml:13:20: models[0].deployments[0].external.api_key: file /nonexistent/key cannot be read: no such file or directory; put the secret there, readable only by Weir`
	if err := c.Resolve(); err == nil || err.Error() != want {
		t.Errorf("have:\n%v\nwant:\n%s", err, want)
	}
}

func TestADatabaseIsNamedAsLibpqTakesIt(t *testing.T) {
	const file = `
store: {postgres: env:WEIR_TEST_POSTGRES}
tenants: [{name: a}]
models: [{name: m, deployments: [{name: m/d, external: {urls: ["http://10.0.0.5:8000"]}}]}]
`
	f := func(value string, good bool) {
		t.Helper()
		t.Setenv("WEIR_TEST_POSTGRES", value)
		c, err := Parse("weir.yaml", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		err = c.Resolve()
		if good && err != nil || !good && (err == nil || !strings.Contains(err.Error(), "what env:WEIR_TEST_POSTGRES holds is not a PostgreSQL connection string; give postgres://")) {
			t.Errorf("%q: %v", value, err)
		}
		if err != nil && strings.Contains(err.Error(), value) {
			t.Errorf("the secret is printed: %v", err)
		}
	}
	f("postgres://weir:secret@db/weir", true)
	f("postgresql://db/weir", true)
	f("host=db user=weir password=secret", true)
	f("mysql://weir:secret@db/weir", false)
	f("db.internal:5432", false)
}

func TestSecretsNoHeaderCanCarryAreRefused(t *testing.T) {
	for content, want := range map[string]string{
		"":                               "is empty",
		"\n":                             "is empty",
		"two\nlines":                     "control characters",
		"bell\a":                         "control characters",
		strings.Repeat("x", maxSecret+1): "has 16385 bytes",
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, problem, _ := readSecret("file:" + file); !strings.Contains(problem, want) {
			t.Errorf("%.20q: want %q, have %q", content, want, problem)
		}
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	s := Secret{ref: "env:NAME", value: "hidden"}
	j, err := json.Marshal(struct{ S Secret }{s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s)
	for _, printed := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%+v", struct{ S *Secret }{&s}), string(j), log.String()} {
		if strings.Contains(printed, "hidden") {
			t.Errorf("printed: %s", printed)
		}
	}
}

func TestNewKeysDifferAndHashToWhatTheFileHolds(t *testing.T) {
	a, b := NewKey(), NewKey()
	if a == b || len(a) != len("weir_")+43 || !strings.HasPrefix(a, "weir_") {
		t.Errorf("have %q and %q", a, b)
	}
	have, problem := parseKeyHash(HashKey(a).String())
	if problem != "" || have != HashKey(a) {
		t.Errorf("%v %s", have, problem)
	}
}
