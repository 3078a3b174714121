package upstream

import (
	"net/http"
	"strings"
)

// Feature is a need of a request that a server may not support.
type Feature string

const (
	NoFeature      Feature = ""
	WholeOperation Feature = "operation" // the path itself: embeddings of a chat model, responses of a server without them
	Images         Feature = "images"
	Audio          Feature = "audio"
	Tools          Feature = "tools"
)

// unsupportedWords are the servers' messages about missing features, in lower case:
// llama.cpp, vLLM, SGLang, Ollama, LM Studio, DeepSeek, Mistral, Groq, OpenRouter,
// OpenAI and Azure OpenAI, as of 2026-11.
var unsupportedWords = [...]struct {
	words   string
	feature Feature
}{
	{"image input is not supported", Images},
	{"is not a multimodal model", Images},
	{"at most 0 image", Images},
	{"does not support image", Images},
	{"do not support image", Images},
	{"does not support vision", Images},
	{"multimodal is not supported", Images},
	{"image_url is only supported by certain models", Images},
	{"image input is not enabled", Images},
	{"endpoints found that support image", Images},
	{"unknown variant `image_url`", Images},
	{"audio input is not supported", Audio},
	{"endpoints found that support input audio", Audio},
	{"unknown variant `input_audio`", Audio},
	{"at most 0 audio", Audio},
	{"does not support audio", Audio},
	{"do not support audio", Audio},
	{"input_audio is only supported by certain models", Audio},
	{"does not support tools", Tools},
	{"tools param requires --jinja", Tools},
	{"tool choice requires --enable-auto-tool-choice", Tools},
	{"endpoints found that support tool use", Tools},
	{"tool calling` is not supported", Tools},
	{"this server does not support", WholeOperation},
	{"operation does not work with the specified model", WholeOperation},
	{"not supported in the v1/", WholeOperation},
	{"does not support embeddings", WholeOperation},
	{"does not support chat completions", WholeOperation},
	{"does not support completions", WholeOperation},
	{"does not support responses", WholeOperation},
	{"does not appear to be an embedding model", WholeOperation},
	{"pooling type 'none' is not oai compatible", WholeOperation},
	{"unexpected endpoint or method", WholeOperation},
}

// lacks is the feature that the failure reports as unsupported.
func (f *Failure) lacks(kept bool) Feature {
	message := strings.ToLower(f.Message)
	switch f.Status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
	case http.StatusNotFound:
		named := kept && f.Code != "" && f.Code != "404" // a response that does not exist
		if f.NoModel || named {
			return NoFeature
		}
		if isNowhere(message) {
			return WholeOperation
		}
		return featureOf(message)
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusInternalServerError, 0:
		if f.Code == "OperationNotSupported" {
			return WholeOperation
		}
		return featureOf(message)
	default:
		return NoFeature
	}
	if said := featureOf(message); said != NoFeature {
		return said
	}
	return WholeOperation
}

func featureOf(message string) Feature {
	for _, u := range unsupportedWords {
		if strings.Contains(message, u.words) {
			return u.feature
		}
	}
	return NoFeature
}

// isNowhere recognises messages for an unknown path, in lower case: by FastAPI, Go,
// llama.cpp, Azure, and by proxies in HTML.
func isNowhere(message string) bool {
	switch strings.TrimRight(strings.TrimSpace(message), ".!") {
	case "", "not found", "404 not found", "404 page not found", "page not found", "file not found", "resource not found", "no such route", "{}":
		return true
	}
	return strings.HasPrefix(message, "<") || strings.HasPrefix(message, "invalid url") || strings.HasPrefix(message, "cannot post") ||
		strings.HasPrefix(message, "no route") || strings.HasPrefix(message, "unknown request url")
}

// isNoModel recognises a 404 for the model's name, which Weir sets.
func (f *Failure) isNoModel() bool {
	switch f.Code {
	case "model_not_found", "DeploymentNotFound", "ModelNotFound":
		return f.Status == http.StatusNotFound || f.Status == http.StatusBadRequest
	}
	if f.Status != http.StatusNotFound {
		return false
	}
	m := strings.ToLower(f.Message)
	if strings.HasPrefix(m, "model: ") { // Anthropic
		return true
	}
	return strings.Contains(m, "model") && (strings.Contains(m, "does not exist") || strings.Contains(m, "not found") || strings.Contains(m, "no such model"))
}

// isUnreadable recognises llama.cpp's 500 for a request that it cannot parse, such as a
// malformed tool.
func (f *Failure) isUnreadable() bool {
	return f.Status == http.StatusInternalServerError &&
		(strings.HasPrefix(f.Message, "Failed to parse tools") || strings.HasPrefix(f.Message, "Failed to parse messages") ||
			strings.Contains(f.Message, "[json.exception."))
}
