package meaning

import (
	"bytes"
	"strings"
	"testing"
)

func guardOf(t *testing.T, text string) string {
	t.Helper()
	g, ok := Guard(text)
	if !ok {
		t.Fatalf("%q cannot be read", text)
	}
	return string(g)
}

func TestTextsThatTheGuardTellsApart(t *testing.T) {
	for _, c := range [][2]string{
		{"How do I enable two-factor login?", "How do I disable two-factor login?"},
		{"turn the alarm on", "turn the alarm off"},
		{"Is it safe?", "Isn't it safe?"}, {"Can I pay by card?", "Can I not pay by card?"}, {"Can I go with a dog?", "Can I go without a dog?"},
		{"Kann ich bar zahlen?", "Kann ich nicht bar zahlen?"}, {"puedo pagar", "no puedo pagar"},
		{"Convert 5 km", "Convert 6 km"}, {"Convert 5 km", "Convert 5 miles"}, {"Convert 5km", "Convert 5kg"}, {"five days", "six days"}, {"1.5 l", "15 l"}, {"-5 degrees", "5 degrees"},
		{"a 5 % discount", "a 5 discount"}, {"10 to 20", "20 to 10"}, {"$10", "€10"},
		{"The capital of France?", "The capital of Spain?"}, {"Flights from Rome to Oslo", "Flights from Oslo to Rome"}, {"Paris weather", "London weather"},
		{"on Monday", "on Tuesday"}, {"opening hours in july", "opening hours in june"}, {"open config.yaml", "open config.json"}, {"mail a@x.org", "mail b@x.org"},
		{`say "yes"`, `say "no"`}, {"run `ls`", "run `rm`"},
		{"Who won?", "Who wins or lost?"}, {"Was it open?", "Is it open?"}, {"Will it rain?", "Does it rain?"}, {"When does it open?", "Where does it open?"},
		{"the minimum age", "the maximum age"}, {"subscribe", "unsubscribe"}, {"happy users", "unhappy users"}, {"useful tools", "useless tools"}, {"more sugar", "less sugar"},
		{"API limits", "GPU limits"}, {"iPhone screen", "Android screen"},
		{"1,5 kg of flour", "15 kg of flour"}, {"0,75 l", "075 l"}, {"1,50 km", "150 km"}, {".5 g", "5 g"}, {"at –5 degrees", "at 5 degrees"}, {"½ cup", "¼ cup"}, {"40 m²", "40 m³"},
		{"12 - 4", "12 * 4"}, {"12 : 4", "12 - 4"}, {"12 minus 4", "12 plus 4"}, {"multiply 6 by 3", "divide 6 by 3"},
		{"a 5 h wait", "a 5 d wait"}, {"5 kw", "5 kwh"}, {"5 mW", "5 MW"}, {"5mW", "5MW"}, {"100 Mb", "100 MB"}, {"5 chf", "5 pln"}, {"40 mph", "40 knots"},
		{"why does it arrive", "why doesnt it arrive"}, {"what can I eat", "what cant I eat"}, {"why does it arrive", "why doesn`t it arrive"}, {"stay", "no,stay"},
		{"posso entrar", "não posso entrar"}, {"kan ik betalen", "kan ik niet betalen"}, {"kan jag betala", "kan jag inte betala"}, {"kan jeg betale", "kan jeg ikke betale"}, {"ne fais rien", "fais"},
		{"how do I log in", "how do I log out"}, {"zoom in", "zoom out"}, {"pin a message", "unpin a message"}, {"zip it", "unzip it"}, {"a valid ticket", "an invalid ticket"}, {"is it possible", "is it impossible"},
		{"show the panel", "hide the panel"}, {"the menu next week", "the menu last week"}, {"the menu this week", "the menu next week"}, {"will it be open", "will it be open tomorrow"},
		{"if (!ready) run", "if (ready) run"}, {"what is len(x)", "what is cap(x)"}, {"a || b", "a && b"}, {"rm -r", "rm -f"}, {"foo() is", "foo is"}, {"key aB3x", "key Ab3x"}, {`the class \d`, `the class \D`},
		{"from pdf to word", "from word to pdf"}, {"is tea better than coffee", "is coffee better than tea"}, {"turn euros into dollars", "turn dollars into euros"},
		{"say „ja bitte“", "say „vielleicht gern“"}, {"say «oui»", "say «ça va»"}, {"who wrote It?", "who wrote She?"}, {"weather in May", "weather"},
	} {
		if guardOf(t, c[0]) == guardOf(t, c[1]) {
			t.Errorf("%q and %q have the same guard", c[0], c[1])
		}
	}
}

func TestTextsThatTheGuardLetsBeCompared(t *testing.T) {
	for _, c := range [][2]string{
		{"How do I reset my password?", "What is the way to reset a password"}, {"Please cancel my order.", "I want to cancel the order!"},
		{"How do I enable two-factor login?", "Please help me turn on two-factor login"}, {"five days", "5 days"}, {"10 kilometers", "10 km"},
		{"Is Rome far?", "How far is Rome?"}, {"The user’s name isn’t shown", "The user's name is not shown"}, {"1,000 users", "1000 users"},
		{"Tell me the capital of Peru", "What's the capital of Peru?"}, {"How do I log out?", "I want to logout"}, {"Why doesnt it ship?", "Why doesn't it ship?"}, {"a 5 h wait", "a wait of 5 hours"},
		{"1,500,000.5 users", "1500000.5 users"}, {"Don't they ship?", "Do they not ship?"}, {"Hi, How do I reset it", "how do I reset it"}, {"(reset it), please!", "reset it please"},
	} {
		if guardOf(t, c[0]) != guardOf(t, c[1]) {
			t.Errorf("%q and %q have different guards: %q, %q", c[0], c[1], guardOf(t, c[0]), guardOf(t, c[1]))
		}
	}
	for _, text := range []string{"如何重置密码", "сбросить пароль", "broken \xff", "mixed パスワード", "no\u200bt shown"} {
		if _, ok := Guard(text); ok {
			t.Errorf("the guard says it can read %q", text)
		}
	}
}

// FuzzGuard: a number, a name or a negation put behind a text always shows, and more white
// space never does.
func FuzzGuard(f *testing.F) {
	for _, text := range []string{"How do I enable it?", "a \"b c\" d", "`x` 5 km—6 km. Next", "''- - .", "I'm U.S. don’t", "1,5 from -.5 (!x) :"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		base, ok := Guard(text)
		if !ok || strings.ContainsAny(text, "\"`“”") { // a quotation may swallow what follows
			return
		}
		for _, more := range []string{" 7", " 40 km", " NASA", " not", " xX9"} {
			if with, ok := Guard(text + more); !ok || bytes.Equal(base, with) {
				t.Errorf("%q and %q have the same guard", text, text+more)
			}
		}
		spaced, ok := Guard("\t" + strings.ReplaceAll(text, " ", "  ") + "\n")
		if !ok || !bytes.Equal(base, spaced) {
			t.Errorf("white space changes the guard of %q", text)
		}
	})
}

func TestAnswersThatStandForOneAnother(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want Likeness
	}{
		{"Yes.", "yes", Equal}, {"It takes  5 days.", "It takes 5 days", Equal}, {"It takes 5 days", "It takes 6 days", Different}, {"You can.", "You cannot.", Different},
		{"", "", Different}, {"Yes", "", Different}, {"Open the settings.", "Go to the settings page.", Unclear}, {"It takes five days", "5 days it takes", Unclear},
		{"It isn't open", "It is open", Different}, {"$5", "€5", Different}, {"It isnt open", "It is open", Different}, {"It is -5 degrees", "It is 5 degrees", Different}, {"Take ½ cup", "Take ¼ cup", Different},
		{"Use a*b", "Use a/b", Unclear}, {"if !ready", "if ready", Unclear}, {"Take 1.5 g", "Take 1,5 g", Different}, {"1,000 users", "1000 users", Equal}, {"(It is open)", "it is open!", Equal}, {"It takes **5** days", "It takes 5 days", Unclear},
	} {
		if have := Compare(c.a, c.b); have != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, have, c.want)
		}
	}
}
