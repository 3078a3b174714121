package gateway

import (
	"fmt"
	"strings"
	"testing"
)

func TestOfAnAnswersItemsSoManyAreRemembered(t *testing.T) {
	f := func(items, want int) {
		t.Helper()
		all := make([]string, items)
		for i := range all {
			all[i] = fmt.Sprintf(`{"type":"message","id":"msg_%d"}`, i)
		}
		var have []string
		itemsOf([]byte(`{"id":"resp_1","output":[`+strings.Join(all, ",")+`]}`), func(id string) { have = append(have, id) })
		if len(have) != want {
			t.Fatalf("of %d items %d are remembered, want %d", items, len(have), want)
		}
		for i, id := range have {
			if id != fmt.Sprintf("msg_%d", i) {
				t.Errorf("item %d: %s", i, id)
			}
		}
	}
	f(3, 3)
	f(maxItems, maxItems)
	f(maxItems+1, maxItems)
	f(5*maxItems, maxItems)
}
