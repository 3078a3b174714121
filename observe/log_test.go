package observe_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"

	"weir/observe"
)

func TestLogsAreJSONOffATerminalAndFollowTheLevel(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	log, err := observe.NewLogger(&out, observe.Auto, &level)
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("hidden")
	level.Set(slog.LevelDebug)
	log.Debug("shown", "replica", "r1")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if line["msg"] != "shown" || line["replica"] != "r1" {
		t.Fatal(line)
	}
}

func TestAFileIsNoTerminalAndACharacterDeviceIs(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	log, err := observe.NewLogger(file, "", slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("x")
	if text, err := os.ReadFile(file.Name()); err != nil || !json.Valid(text) {
		t.Fatal(err, string(text))
	}
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close() //nolint:errcheck // nothing was written
	onDevice, err := observe.NewLogger(device, observe.Auto, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	if _, json := onDevice.Handler().(*slog.JSONHandler); json {
		t.Fatalf("%T", onDevice.Handler())
	}
}

func TestFormatsAreChosenByNameAndStrangeOnesRefused(t *testing.T) {
	var out bytes.Buffer
	text, err := observe.NewLogger(&out, observe.Text, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	text.Info("ready", "port", 8080)
	if !strings.Contains(out.String(), "INFO  ready port=8080") {
		t.Fatal(out.String())
	}
	if _, err := observe.NewLogger(&out, observe.JSON, slog.LevelInfo); err != nil {
		t.Fatal(err)
	}
	if _, err := observe.NewLogger(&out, "xml", slog.LevelInfo); err == nil || err.Error() != `log format "xml" is unknown: use auto, text or json` {
		t.Fatal(err)
	}
}

func TestTheAccessLogIsOffUntilEnabledAndHoldsWhatARecordHolds(t *testing.T) {
	var out bytes.Buffer
	a := observe.NewAccessLog(slog.New(slog.NewJSONHandler(&out, nil)))
	a.Record(answered())
	if out.Len() != 0 {
		t.Fatal(out.String())
	}
	a.Enable(true)
	spilled := answered()
	spilled.Trail, spilled.Extra, spilled.Client = "a=quota, gpt-4o/ptu=spill_quota", 2500, "203.0.113.9"
	a.Record(spilled)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	got, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"added_ms":0.15,"asked":"","attempts":1,"cache":"","cached_tokens":400,"cheaper":"","class":"interactive","client":"203.0.113.9","code":"","completion_tokens":200,` +
		`"cost_dollars":0.004,"deployment":"gpt-4o/ptu","estimated":false,"extra_dollars":0.0025,"fault":"none","key":"ci","level":"INFO","model":"gpt-4o",` +
		`"msg":"request","op":"chat","outcome":"completed","prompt_tokens":1000,"queued_ms":3,"replica":"0","request_id":"r1","route":"a=quota, gpt-4o/ptu=spill_quota",` +
		`"saved_dollars":0,"status":200,"stream":true,"tenant":"demo","took_ms":3000,"tpot_ms":18,"ttft_ms":250}`
	if string(got) != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	a.Enable(false)
	out.Reset()
	a.Record(answered())
	if out.Len() != 0 {
		t.Fatal(out.String())
	}
}
