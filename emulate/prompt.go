package emulate

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// prompt is the part of a request that matters here.
type prompt struct {
	tokens int
	hash   uint64
	blocks []string // text in order, whose blocks the prefix cache remembers
}

// perMessage is the tokens a chat template adds to each message.
const perMessage = 4

// imageTokens is the tokens of an image, whatever its size.
const imageTokens = 256

func textTokens(bytes int) int { return (bytes + 3) / 4 }

// texts reads a string, or an array of strings, or of token ids, or of arrays
// of token ids: the forms of OpenAI's prompts and inputs. Each text comes with
// its tokens.
func texts(raw json.RawMessage) ([]prompt, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []prompt{plainPrompt(one)}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil && len(many) > 0 {
		out := make([]prompt, len(many))
		for i, t := range many {
			out[i] = plainPrompt(t)
		}
		return out, nil
	}
	var ids []int
	if json.Unmarshal(raw, &ids) == nil && len(ids) > 0 {
		return []prompt{idPrompt(ids)}, nil
	}
	var lists [][]int
	if json.Unmarshal(raw, &lists) == nil && len(lists) > 0 {
		out := make([]prompt, len(lists))
		for i, l := range lists {
			out[i] = idPrompt(l)
		}
		return out, nil
	}
	return nil, errors.New("want a string, or a non-empty array of strings, of token ids or of arrays of token ids")
}

func plainPrompt(text string) prompt {
	return prompt{tokens: textTokens(len(text)), blocks: []string{text}}
}

// idPrompt spells token ids as words, to hash and embed them.
func idPrompt(ids []int) prompt {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(id))
	}
	return prompt{tokens: len(ids), blocks: []string{b.String()}}
}

// content reads a string or an array of parts, as in the messages of chats,
// responses and Anthropic.
func content(raw json.RawMessage) (prompt, error) {
	var one string
	if len(raw) == 0 || string(raw) == "null" {
		return prompt{}, nil // an assistant's message that only calls tools
	}
	if json.Unmarshal(raw, &one) == nil {
		return plainPrompt(one), nil
	}
	var parts []struct {
		Type    string          `json:"type"`
		Text    string          `json:"text"`
		Content json.RawMessage `json:"content"` // of a tool's result
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return prompt{}, errors.New("content: want a string or an array of parts")
	}
	var p prompt
	for _, part := range parts {
		switch {
		case strings.Contains(part.Type, "image"):
			p.tokens += imageTokens
		case part.Text != "":
			p.add(plainPrompt(part.Text))
		default:
			p.add(plainPrompt(string(part.Content)))
		}
	}
	return p, nil
}

func (p *prompt) add(q prompt) {
	p.tokens += q.tokens
	p.blocks = append(p.blocks, q.blocks...)
}

// prefixBlocks names the prompt's blocks of tokens for the engine's prefix
// cache. Each name covers all blocks before: equal beginnings have equal names.
func (p *prompt) prefixBlocks(blockTokens int) []uint64 {
	n := p.tokens / max(1, blockTokens)
	all, size := strings.Join(p.blocks, "\x00"), max(1, blockTokens)*4
	var names []uint64
	var h uint64
	for i := 0; i < n && i*size < len(all); i++ {
		h = hashText(h, all[i*size:min(len(all), (i+1)*size)])
		names = append(names, h)
	}
	return names
}
