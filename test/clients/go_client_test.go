package clients

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"
)

// TestGoSDK runs openai-go, plain and with its Azure options.
func TestGoSDK(t *testing.T) {
	plain := openai.NewClient(option.WithBaseURL(world.url+"/v1"), option.WithAPIKey(world.key), option.WithMaxRetries(0))
	azured := openai.NewClient(
		azure.WithEndpoint(world.url, "2024-10-21"), azure.WithAPIKey(world.key),
		azure.WithUnsafeAllowHTTP(), option.WithMaxRetries(0))

	for name, client := range map[string]openai.Client{"openai": plain, "azure": azured} {
		t.Run(name, func(t *testing.T) {
			t.Run("chat", func(t *testing.T) { chatCompletes(t, client) })
			t.Run("stream", func(t *testing.T) { streamsWithUsage(t, client) })
			t.Run("embeddings", func(t *testing.T) { embeds(t, client) })
			t.Run("unknown model", func(t *testing.T) { wantStatus(t, ask(client, "no-such"), http.StatusNotFound) })
			t.Run("signs of life", func(t *testing.T) { streamsThroughSilence(t, client) })
			t.Run("cancel", func(t *testing.T) { cancelFreesTheSlot(t, client) })
		})
	}
	t.Run("wrong key", func(t *testing.T) {
		wrong := openai.NewClient(option.WithBaseURL(world.url+"/v1"), option.WithAPIKey("sk-wrong"), option.WithMaxRetries(0))
		wantStatus(t, ask(wrong, chatModel), http.StatusUnauthorized)
	})
	t.Run("stored answer", func(t *testing.T) { storedAnswerIsToldAgain(t, plain) })
	t.Run("dead upstream", func(t *testing.T) {
		var e *openai.Error
		if err := ask(plain, "broken-5xx"); !errors.As(err, &e) || e.StatusCode < 500 {
			t.Fatalf("have %v, want an openai.Error of 5xx", err)
		}
	})
	t.Run("cut stream", func(t *testing.T) {
		stream := plain.Chat.Completions.NewStreaming(t.Context(), params("broken-cut", 64))
		for stream.Next() {
		}
		if stream.Err() == nil {
			t.Fatal("a cut stream ended as if it were whole")
		}
	})
}

func params(model string, tokens int64) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:     model,
		MaxTokens: openai.Int(tokens),
		Messages:  []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say something about rivers.")},
	}
}

func ask(c openai.Client, model string) error {
	_, err := c.Chat.Completions.New(context.Background(), params(model, 4))
	return err
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != status {
		t.Fatalf("have %v, want an openai.Error with status %d", err, status)
	}
}

func chatCompletes(t *testing.T, c openai.Client) {
	r, err := c.Chat.Completions.New(t.Context(), params(chatModel, 16))
	if err != nil {
		t.Fatal(err)
	}
	if r.Choices[0].Message.Content == "" || r.Usage.CompletionTokens == 0 {
		t.Fatalf("no content or no usage: %s", r.RawJSON())
	}
}

func streamsWithUsage(t *testing.T, c openai.Client) {
	p := params(chatModel, 16)
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	var text string
	var usage int64
	for stream.Next() {
		chunk := stream.Current()
		for _, choice := range chunk.Choices {
			text += choice.Delta.Content
		}
		usage += chunk.Usage.CompletionTokens
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if text == "" || usage == 0 {
		t.Fatalf("text %q, usage %d", text, usage)
	}
}

// storedAnswerIsToldAgain asks three times, the last time for a stream, and once more
// after a purge.
func storedAnswerIsToldAgain(t *testing.T, c openai.Client) {
	p := params("stored", 12)
	p.Temperature = openai.Float(0)
	var text []string
	for _, want := range []string{"miss", "hit"} {
		var raw *http.Response
		r, err := c.Chat.Completions.New(t.Context(), p, option.WithResponseInto(&raw))
		if err != nil {
			t.Fatal(err)
		}
		if met := raw.Header.Get("x-weir-cache"); met != want {
			t.Errorf("x-weir-cache is %q, want %q", met, want)
		}
		text = append(text, r.Choices[0].Message.Content)
	}
	var raw *http.Response
	stream := c.Chat.Completions.NewStreaming(t.Context(), p, option.WithResponseInto(&raw))
	streamed := ""
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			streamed += choice.Delta.Content
		}
	}
	if text[0] == "" || text[1] != text[0] || streamed != text[0] || stream.Err() != nil || raw.Header.Get("x-weir-cache") != "hit" {
		t.Errorf("%q, then streamed %q: %v, %q", text, streamed, stream.Err(), raw.Header.Get("x-weir-cache"))
	}
	purge := exec.Command(weirBinary(), "cache", "purge", "--model", "stored", "--admin", world.admin)
	if out, err := purge.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), " stored answers purged\n") {
		t.Fatalf("weir cache purge: %v: %s", err, out)
	}
	if _, err := c.Chat.Completions.New(t.Context(), p, option.WithResponseInto(&raw)); err != nil || raw.Header.Get("x-weir-cache") != "miss" {
		t.Errorf("after a purge: %v, %q", err, raw.Header.Get("x-weir-cache"))
	}
}

// streamsThroughSilence reads a stream that begins late, after comments.
func streamsThroughSilence(t *testing.T, c openai.Client) {
	stream := c.Chat.Completions.NewStreaming(t.Context(), params("slow", 8))
	var text string
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Delta.Content
		}
	}
	if err := stream.Err(); err != nil || text == "" {
		t.Fatalf("text %q, %v", text, err)
	}
}

func embeds(t *testing.T, c openai.Client) {
	r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: embedModel,
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a river", "a weir"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Data) != 2 || len(r.Data[0].Embedding) < 10 {
		t.Fatalf("have %d embeddings", len(r.Data))
	}
}

func cancelFreesTheSlot(t *testing.T, c openai.Client) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := c.Chat.Completions.NewStreaming(ctx, params(chatModel, 4000))
	for range 3 {
		if !stream.Next() {
			t.Fatalf("the stream ended early: %v", stream.Err())
		}
	}
	cancel()
	for stream.Next() {
	}
	world.untilIdle(t)
}
