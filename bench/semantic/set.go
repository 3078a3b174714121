package main

import (
	"fmt"
	"strings"
)

// The set is made from rules: an intent is a question with one right answer, its wordings
// are made from frames, and near each intent stand others that differ by one swap (an
// opposite, a negation, a number, a unit, a name, a time, a kind of question). The right
// answer of two texts is the same exactly if they are of one intent.

// intent is a question. kind is the swap by which it differs from the others of its family.
type intent struct {
	family, kind string
	wordings     []string
}

// openers and closers change nothing.
var (
	openers = []string{"", "Hi, ", "Hello! ", "Please help: ", "Quick question: ", "Hey there. ", "Good morning! ", "Dear team, "}
	closers = []string{"", " Thanks.", " Thank you!", " Many thanks", " Cheers"}
)

// wordings are all frames with every opener and closer. %s is the question's core.
func wordings(frames []string, cores ...string) (all []string) {
	for _, core := range cores {
		for _, f := range frames {
			text := strings.Replace(f, "%s", core, 1)
			for _, o := range openers {
				for _, c := range closers {
					all = append(all, o+text+c)
				}
			}
		}
	}
	return all
}

var howTo = []string{"How do I %s?", "How can I %s?", "What is the way to %s?", "Tell me how to %s.", "I want to %s, how does that work?", "What are the steps to %s?", "Can you explain how to %s?"}

// intents makes the whole set.
func intents() (all []intent) {
	all = append(all, opposites()...)
	all = append(all, negations()...)
	all = append(all, slots()...)
	return append(all, names()...)
}

// opposites: of each pair both are intents. Where a verb has a synonym, both words are
// wordings. listed says whether Weir's guard knows the pair.
func opposites() (all []intent) {
	pairs := []struct {
		a, b    string // synonyms divided by |
		objects string
		listed  bool
	}{
		{"enable|turn on", "disable|turn off", "two-factor login,email notifications,dark mode,automatic backups,the spam filter", true},
		{"add", "remove", "a team member,a payment card,a calendar,a second address", true},
		{"lock", "unlock", "my account,the screen,a shared document", true},
		{"upload", "download", "an invoice,my contacts,a profile picture", true},
		{"increase", "decrease", "the font size,my credit line,the storage plan", true},
		{"install", "uninstall", "the desktop app,a browser plugin,the printer driver", true},
		{"start", "stop", "a subscription,the free trial,a screen recording", true},
		{"open", "close", "a savings account,a support ticket,the side panel", true},
		{"publish", "retract", "an article,a job advert,a survey", false},
		{"merge", "split", "two invoices,my mailboxes,the orders", false},
		{"archive", "restore", "a project,an old chat,a mailbox", false},
		{"promote", "demote", "a moderator,a workspace admin", false},
		{"tighten", "loosen", "the privacy settings,the password policy", false},
		{"follow", "ignore", "a discussion,a seller,a topic", false},
		{"assemble", "dismantle", "the desk,the shelf,the tent", false},
		{"attach", "detach", "a file,a volume,a label", false},
	}
	for _, p := range pairs {
		kind := "opposite, not listed"
		if p.listed {
			kind = "opposite, listed"
		}
		for object := range strings.SplitSeq(p.objects, ",") {
			for _, side := range []string{p.a, p.b} {
				var cores []string
				for verb := range strings.SplitSeq(side, "|") {
					cores = append(cores, verb+" "+object)
				}
				all = append(all, intent{p.a + object, kind, wordings(howTo, cores...)})
			}
		}
	}
	return all
}

func negations() (all []intent) {
	for _, q := range []struct{ yes, no string }{
		{"which vegetables can be frozen", "which vegetables cannot be frozen"}, {"what may I take on a plane", "what may I not take on a plane"},
		{"which items are covered by the warranty", "which items are not covered by the warranty"}, {"what should I eat before a blood test", "what should I not eat before a blood test"},
		{"which documents are needed for a visa", "which documents are not needed for a visa"}, {"can I return an item with a receipt", "can I return an item without a receipt"},
		{"which countries do you ship to", "which countries do you not ship to"}, {"is parking allowed here", "isn't parking allowed here"},
		{"which browsers are supported", "which browsers are unsupported"}, {"which plants like shade", "which plants never like shade"},
	} {
		frames := []string{"Could you tell me %s?", "I would like to know %s.", "Do you know %s?", "Tell me %s", "Question: %s?", "I wonder %s."}
		for _, core := range []string{q.yes, q.no} {
			all = append(all, intent{q.yes, "negation", wordings(frames, core)})
		}
	}
	return all
}

// slots: numbers, units, times and kinds of question in otherwise equal texts.
func slots() (all []intent) {
	family := func(kind string, frames []string, values ...string) {
		for _, v := range values {
			all = append(all, intent{frames[0], kind, wordings(frames, strings.Split(v, "|")...)})
		}
	}
	family("number", []string{"How much is the refund after a delay of %s hours?", "My train was %s hours late, what refund do I get?", "What is refunded when a train is %s hours late?"}, "2|two", "3|three", "4|four", "12|twelve")
	family("number", []string{"What is the price for %s users?", "How much does it cost for %s users?", "Tell me the price with %s users."}, "5|five", "10|ten", "50", "500", "1,000|1000")
	family("number", []string{"What is %s percent of 800?", "Compute %s % of 800.", "How much is %s percent of 800?"}, "5", "15", "25", "2.5")
	family("number", []string{"What changed in version %s?", "List the changes of version %s.", "What is new in version %s?"}, "1.2", "1.3", "2.1", "12.1")
	family("unit", []string{"How many miles are 5 %s?", "Convert 5 %s to miles.", "5 %s in miles, please"}, "kilometers|km", "meters", "yards", "feet")
	family("unit", []string{"How warm is 20 degrees %s in kelvin?", "Convert 20 degrees %s to kelvin.", "20 degrees %s, how many kelvin is that?"}, "celsius", "fahrenheit")
	family("unit", []string{"What does it cost per %s?", "What is the price per %s?", "How much do I pay per %s?"}, "hour", "day", "week", "month", "year")
	family("tense", []string{"What %s the exchange fee?", "Tell me what the exchange fee %s.", "The exchange fee: what %s it?"}, "is", "was", "will be")
	family("tense", []string{"Who %s the head of the agency?", "Tell me who %s the head of the agency.", "Name who %s the head of the agency."}, "is", "was", "will be")
	family("question", []string{"%s was the bridge built?", "Tell me %s the bridge was built.", "Do you know %s the bridge was built?"}, "when", "where", "why")
	family("order", []string{"How long is a flight %s?", "What is the duration of a flight %s?", "Flight %s: how long does it take?"}, "from Oslo to Rome", "from Rome to Oslo", "from Oslo to Madrid", "from Rome to Madrid")
	return all
}

// names: with a capital, and as many people type them.
func names() (all []intent) {
	capital := []string{"What is the capital of %s?", "Which city is the capital of %s?", "Tell me the capital of %s.", "Name the capital of %s."}
	small := []string{"what is the capital of %s", "capital of %s", "which city is the capital of %s", "tell me the capital of %s"}
	for _, c := range strings.Fields("France Spain Italy Norway Sweden Finland Peru Chile Kenya Ghana Japan Nepal") {
		all = append(all, intent{"capital", "name", wordings(capital, c)})
	}
	for _, c := range strings.Fields("portugal greece austria denmark iceland estonia bolivia ecuador uganda senegal malaysia bhutan") {
		all = append(all, intent{"capital, small", "name in small letters", wordings(small, c)})
	}
	for _, c := range []string{"pasta", "rice", "lentils", "potatoes", "quinoa", "couscous", "beans"} {
		f := []string{"how long do I cook %s", "what is the cooking time of %s", "for how many minutes should %s cook", "tell me how long %s must cook"}
		all = append(all, intent{"cook", "thing", wordings(f, c)})
	}
	for i, c := range []string{"delivery", "support", "claims", "billing", "sales", "returns", "repair"} {
		f := []string{"How do I reach the %s team?", "What is the phone number of %s?", "Whom do I call about %s?", "Give me the contact of the %s team."}
		all = append(all, intent{fmt.Sprint("team", i/100), "thing", wordings(f, c)})
	}
	return all
}
