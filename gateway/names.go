package gateway

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A member's name is read by two: by the gateway, byte for byte, and by an
// inference server, whose decoder may fold case (Go's encoding/json does). A
// body with "Model" beside "model" would be one request here and another there.
// So a name that is not one of those the gateway reads, but would be taken for
// one by a reader that folds, is refused.

// askNames are the members of a body that the gateway reads, in any protocol;
// the others those of objects in it. All are lower-case ASCII.
var (
	askNames = []string{
		"model", "stream", "max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict", "n", "n_cmpl", "best_of", "user", "stream_options",
		"previous_response_id", "conversation", "messages", "input", "prompt", "system", "instructions", "tools",
		"service_tier", "speed", "audio", "modalities",
	}
	optionNames       = []string{"include_usage"}
	conversationNames = []string{"id"}
)

// lookalike returns the one of names that a decoder which folds case could take name
// for; "" if there is none. name is not one of them itself.
func lookalike(name []byte, names []string) string {
	if lowerASCII(name) {
		return ""
	}
	s := string(name)
	if at := bytes.IndexByte(name, 0); at >= 0 { // where a C string ends
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

// lowerASCII says whether a name is its own only spelling, as nearly all are.
func lowerASCII(name []byte) bool {
	for _, c := range name {
		if c-'A' < 26 || c >= utf8.RuneSelf || c == 0 {
			return false
		}
	}
	return true
}

// unfolded resolves what strings.EqualFold, which folds letter by letter (ſ and
// s, the Kelvin sign and k), leaves: letters that fold to several (Unicode's
// CaseFolding.txt, status F), and the i with and without a dot, which
// comparisons by upper or lower case take for i.
var unfolded = strings.NewReplacer("ﬅ", "st", "ﬆ", "st", "ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ß", "ss", "ẞ", "ss", "ı", "i", "İ", "i")

// ownName faults a member that could be taken for one of names. within is the
// object around it with a dot, "" at the top.
func ownName(within string, name []byte, names []string) error {
	if n := lookalike(name, names); n != "" {
		return &fieldError{within + shortened(string(name)), `written "` + n + `": servers that ignore case would treat them as the same`}
	}
	return nil
}
