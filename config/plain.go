package config

import "github.com/goccy/go-yaml/token"

// joinPlain joins texts that the lexer splits in brackets within braces: in
// {urls: [http://127.0.0.1:8000]} the colon follows a plain text and has no
// blank after it, and so is part of the text (YAML 1.2, 7.3.3).
func joinPlain(tokens token.Tokens) token.Tokens {
	var out token.Tokens
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if n := len(out); n > 0 && i+1 < len(tokens) && within(out[n-1], t, tokens[i+1]) {
			whole, next := *out[n-1], tokens[i+1]
			whole.Type, whole.Value, whole.Origin = token.StringType, whole.Value+":"+next.Value, whole.Origin+t.Origin+next.Origin
			whole.Next = next.Next
			out[n-1] = &whole
			if whole.Prev != nil {
				whole.Prev.Next = &whole
			}
			if whole.Next != nil {
				whole.Next.Prev = &whole
			}
			i++
			continue
		}
		out = append(out, t)
	}
	return out
}

// within says whether a colon is inside a plain text.
func within(before, colon, after *token.Token) bool {
	if colon.Type != token.MappingValueType || !isPlain(before) || !isPlain(after) {
		return false
	}
	return colon.Position.Line == after.Position.Line && colon.Position.Column+1 == after.Position.Column
}

// isPlain says whether t is a value without quotes.
func isPlain(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType, token.NullType,
		token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType, token.InfinityType, token.NanType:
		return true
	}
	return false
}
