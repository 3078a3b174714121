package fit

import (
	"bytes"
	"cmp"
	"strings"
)

// finite replaces Infinity and NaN, which Python's json writes and JSON lacks,
// by null (Nemotron-H's time_step_limit is [0.0, Infinity]).
func finite(text []byte) []byte {
	if !bytes.Contains(text, []byte("Infinity")) && !bytes.Contains(text, []byte("NaN")) {
		return text
	}
	out := make([]byte, 0, len(text))
	for i, quoted := 0, false; i < len(text); {
		rest := text[i:]
		if !quoted {
			if word := notANumber(rest); word > 0 {
				out = append(out, "null"...)
				i += word
				continue
			}
		}
		switch rest[0] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted && len(rest) > 1 {
				out = append(out, rest[0])
				i++
			}
		}
		out = append(out, text[i])
		i++
	}
	return out
}

func notANumber(text []byte) int {
	for _, w := range []string{"-Infinity", "Infinity", "NaN"} {
		if bytes.HasPrefix(text, []byte(w)) {
			return len(w)
		}
	}
	return 0
}

// spellBlocks turns a list of blocks into the pattern of the family's older
// configs.
func (c *hfConfig) spellBlocks() {
	if len(c.Blocks) == 0 || c.Hybrid != "" || c.MambaHeads == 0 || c.ModelType == "zamba2" {
		return
	}
	letters := map[string]string{mambaLayer: "M", linearLayer: "M", fullLayer: "*"}
	var b strings.Builder
	for _, name := range c.Blocks {
		b.WriteString(cmp.Or(letters[layerName(name)], pick(name == "moe", "E", "-")))
	}
	c.Hybrid = b.String()
	if c.Layers == 0 {
		c.Layers = count(len(c.Blocks))
	}
}
