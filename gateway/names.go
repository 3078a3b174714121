package gateway

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A member's name is read twice: by the gateway, byte for byte, and by an inference
// server, whose decoder may ignore case (Go's encoding/json does). A body with both
// "Model" and "model" would then mean different requests to the two. So a name that the
// gateway does not read, but a case-folding decoder would take for one that it does, is
// refused.

// askNames are the body members that the gateway reads, in any protocol; the others are
// members of nested objects. All are lower-case ASCII.
var (
	askNames = []string{
		"model", "stream", "max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict", "n", "n_cmpl", "best_of", "user", "stream_options",
		"previous_response_id", "conversation", "messages", "input", "prompt", "system", "instructions", "tools",
		"service_tier", "speed", "audio", "modalities",
	}
	optionNames       = []string{"include_usage"}
	conversationNames = []string{"id"}
)

// lookalike returns the entry of names that a case-folding decoder could take name for;
// "" if there is none. name itself is not in names.
func lookalike(name []byte, names []string) string {
	if lowerASCII(name) {
		return ""
	}
	s := string(name)
	if at := bytes.IndexByte(name, 0); at >= 0 { // the end of a C string
		s = s[:at]
	}
	s = unfolded.Replace(s)
	for _, n := range names {
		if strings.EqualFold(s, n) {
			return n
		}
	}
	return ""
}

// lowerASCII says whether a name has no other spelling, as nearly all do.
func lowerASCII(name []byte) bool {
	for _, c := range name {
		if c-'A' < 26 || c >= utf8.RuneSelf || c == 0 {
			return false
		}
	}
	return true
}

// unfolded handles what strings.EqualFold, which folds letter by letter (ſ and s, the
// Kelvin sign and k), does not: letters that fold to several (Unicode's
// CaseFolding.txt, status F), and the i with and without a dot, which comparisons by
// upper or lower case take for i.
var unfolded = strings.NewReplacer("ﬅ", "st", "ﬆ", "st", "ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ß", "ss", "ẞ", "ss", "ı", "i", "İ", "i")

// ownName faults a member that could be mistaken for one of names. within is the
// enclosing object with a dot, "" at the top level.
func ownName(within string, name []byte, names []string) error {
	if n := lookalike(name, names); n != "" {
		return &fieldError{within + shortened(string(name)), `written "` + n + `": servers that ignore case would treat them as the same`}
	}
	return nil
}
