package limits

import (
	"context"
	"testing"

	"weir/limits/redistest"
	"weir/meter"
)

func TestANoteOfOneGatewayIsReadAtAnother(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	none := func(*meter.Leases) {}
	a, b := join(t, at(redis), none), join(t, at(redis), none)
	a.shared.Note("name", "tenant\nchat/a\n0")
	within(t, "the note to be read", func() bool {
		text, err := b.shared.Noted(t.Context(), "name")
		return err == nil && text == "tenant\nchat/a\n0"
	})
	if text, err := b.shared.Noted(t.Context(), "another"); text != "" || err != nil {
		t.Error(text, err)
	}
}

func TestNotesAreBoundedAndTheLastOnesStay(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	m := join(t, at(redis), func(*meter.Leases) {})
	c, err := m.shared.connected()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string) {
		if err := writeNoteLua.Exec(t.Context(), c, m.shared.noteKeys(), []string{name, "of " + name, "2", "60"}).Error(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		write(name)
	}
	for name, want := range map[string]string{"a": "", "b": "", "c": "of c", "d": "of d", "e": "of e"} {
		text, err := readNoteLua.Exec(context.Background(), c, m.shared.noteKeys(), []string{name}).ToString()
		if err != nil || text != want {
			t.Errorf("%s is %q, %v; want %q", name, text, err, want)
		}
	}
}

func TestANoteWithoutRedisBlocksNobody(t *testing.T) {
	m := newMember(t, Options{Addrs: []string{"127.0.0.1:1"}})
	for range 2 * notesPending {
		m.shared.Note("name", "text")
	}
	if _, err := m.shared.Noted(t.Context(), "name"); err == nil {
		t.Error("a note was read of a redis that is not there")
	}
}
