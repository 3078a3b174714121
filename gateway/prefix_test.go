package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// chatOf is a conversation of so many turns, each longer than a block.
func chatOf(name, head string, turns int) string {
	var messages []string
	for i := range turns {
		messages = append(messages, fmt.Sprintf(`{"role":"user","content":%q}`, strings.Repeat(fmt.Sprintf("%s %d ", name, i), blockBytes/3)))
	}
	return fmt.Sprintf(`{%s"model":"m","messages":[%s]}`, head, strings.Join(messages, ","))
}

func namesIn(t *testing.T, body string) []uint64 {
	t.Helper()
	a, err := readAsk([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return a.blocks([]byte(body), nil)
}

func TestAConversationBeginsWithTheNamesOfItsTurnsBefore(t *testing.T) {
	short, long := namesIn(t, chatOf("a", "", 2)), namesIn(t, chatOf("a", "", 3))
	if len(short) < 1 || len(long) <= len(short) || !slices.Equal(short, long[:len(short)]) {
		t.Errorf("%d names and %d names", len(short), len(long))
	}
	for what, other := range map[string]string{
		"another conversation":  chatOf("b", "", 3),
		"other tools":           chatOf("a", `"tools":[{}],`, 3),
		"another system prompt": chatOf("a", `"system":"be brief",`, 3),
	} {
		if names := namesIn(t, other); slices.Contains(names, long[0]) {
			t.Errorf("%s begins with the same name", what)
		}
	}
	if names := namesIn(t, chatBody); len(names) != 0 {
		t.Errorf("less than a block has %d names", len(names))
	}
}

// Equal leading hashes mean that the prompts are equal up to there.
func TestEqualNamesAreEqualBeginnings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prompt := func(label string) string {
			var b strings.Builder
			for _, k := range rapid.SliceOfN(rapid.IntRange(0, 2), 1, 6).Draw(t, label) {
				b.WriteString(strings.Repeat(string(rune('a'+k)), blockBytes/2))
			}
			return b.String()
		}
		one, two := prompt("one"), prompt("two")
		names := func(p string) []uint64 {
			body := []byte(`{"prompt":"` + p + `"}`)
			a, err := readAsk(body)
			if err != nil {
				t.Fatal(err)
			}
			return a.blocks(body, nil)
		}
		a, b := names(one), names(two)
		same := 0
		for same < min(len(a), len(b)) && a[same] == b[same] {
			same++
		}
		want := 0
		for want < min(len(a), len(b)) && one[:(want+1)*blockBytes-1] == two[:(want+1)*blockBytes-1] {
			want++ // the quote is the first byte of the first block
		}
		if same != want {
			t.Fatalf("%d names are the same, want %d", same, want)
		}
	})
}

func TestAConversationGoesWhereItsBeginningIsKnown(t *testing.T) {
	b, other := newBackend(t, answering), newBackend(t, answering)
	c := config(b.URL)
	c.Models[0].Affinity = ByPrefix
	c.Models[0].Deployments[0].Addrs = []string{b.URL, other.URL}
	c.Models[0].Deployments[0].CacheTokens = 100_000
	r := start(t, c)
	at, used := map[string]string{}, map[string]bool{}
	for turn := range 4 {
		for _, name := range []string{"a", "b", "c", "d"} {
			resp, _ := r.post(chatPath, strings.Replace(chatOf(name, "", 2+turn), `"m"`, `"`+c.Models[0].Name+`"`, 1))
			replica := resp.Header.Get("X-Weir-Replica")
			rec := r.rec()
			if turn > 0 && (replica != at[name] || rec.Known < prefixBlock) {
				t.Errorf("turn %d of %s went to %s, where %d tokens are known; the turn before went to %s", turn, name, replica, rec.Known, at[name])
			}
			at[name], used[replica] = replica, true
			r.settled()
		}
	}
	if len(used) != 2 {
		t.Errorf("%d replicas were used", len(used))
	}
}
