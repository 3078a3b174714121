package gateway

import (
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"weir/meter"
)

// Promises in the package's comments. internal/mutants has a wrong change for each.

func TestARequestThatNobodyWorkedOnGivesItsPlaceBack(t *testing.T) {
	c := config(newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":{"message":"no","type":"invalid_request_error"}}`)
	}).URL)
	c.Tenants[0].Limits = meter.Limits{RequestsPerMinute: 2} // a bucket one below full refills a part of that one
	r := start(t, c)
	for range 5 {
		resp, answer := r.post(chatPath, chatBody)
		if r.rec(); resp.StatusCode != 400 {
			t.Fatalf("%d %s: two a minute, and none of them was worked on", resp.StatusCode, answer)
		}
	}
	r.settled()
}

func TestAKeyWithMoreBehindItIsAnother(t *testing.T) {
	long := strings.Repeat("k", maxSecret)
	c := config(newBackend(t, answering).URL)
	c.Tenants[0].Keys = append(c.Tenants[0].Keys, Key{Name: "long", SHA256: sum(long)})
	r := start(t, c)
	for key, want := range map[string]int{long: 200, long + "k": 401, long[1:]: 401} {
		resp, answer := r.post(chatPath, chatBody, "Authorization", "Bearer "+key)
		if r.rec(); resp.StatusCode != want {
			t.Errorf("a key of %d bytes: %d %s, want %d", len(key), resp.StatusCode, answer, want)
		}
	}
}

func TestABodyIsReadToItsLimitAndNoFurther(t *testing.T) {
	for size, want := range map[int]error{99: nil, 100: nil, 101: errOverLimit, 200: errOverLimit} {
		for _, announced := range []int64{int64(size), -1} {
			b, err := readAll(strings.NewReader(strings.Repeat("a", size)), announced, 100)
			if err != want || want == nil && len(b.b) != size {
				t.Errorf("%d bytes of at most 100, %d announced: %v", size, announced, err)
			}
			b.free()
		}
	}
}

func TestAnAnswerIsToppedUpTwelveTimesAtMost(t *testing.T) {
	c := &call{g: &Gateway{}}
	c.booking.holds, c.booking.topUps = holdsTokens, maxTopUps
	if f := c.topUp(); f != nil || c.booking.covered != math.MaxInt64 {
		t.Errorf("%+v, %d tokens are covered: the rest is settled at the end", f, c.booking.covered)
	}
}

func TestOfALongStreamOneEventMoreThanTheBoundIsKeptAtMost(t *testing.T) {
	const each = 1000
	s := &stream{c: &call{s: protocols.locate(chatPath)}}
	event := []byte(`{"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", each) + `"}}]}`)
	for n := 0; n < 4*maxText; n += each {
		s.keep(event)
	}
	if n := len(s.text.b); n < maxText || n >= maxText+each {
		t.Errorf("%d bytes of text are kept, the bound is %d and an event", n, maxText)
	}
	s.text.free()
}

func TestOfAnAnswerSixtyFourItemsAreRemembered(t *testing.T) {
	for items, want := range map[int]int{1: 1, maxItems - 1: maxItems - 1, maxItems: maxItems, 3 * maxItems: maxItems} {
		answer := `{"output":[` + strings.TrimSuffix(strings.Repeat(`{"id":"i","type":"message"},`, items), ",") + `]}`
		n := 0
		if itemsOf([]byte(answer), func(string) { n++ }); n != want {
			t.Errorf("%d of %d items are remembered, want %d", n, items, want)
		}
	}
}
