package upstream_test

import (
	"time"

	"weir"
	. "weir/upstream"
	"weir/upstream/anthropic"
	"weir/upstream/azure"
	"weir/upstream/openai"
)

// The protocols, by the names used in the tests.
var (
	OpenAI      Dialect = openai.Dialect{}
	AzureOpenAI Dialect = azure.Dialect{}
	Anthropic   Dialect = anthropic.Dialect{}
)

func operation(op weir.Op) *Operation { return OpenAI.Operation(op) }

func ReadAnswer(op weir.Op, body []byte) Answer { return operation(op).Format.Answer(body) }

func ReadUsage(op weir.Op, body []byte) (weir.Usage, bool) { return operation(op).ReadUsage(body) }

func AppendText(dst []byte, op weir.Op, data []byte) []byte {
	return operation(op).Format.Text(dst, data)
}

func AsStream(op weir.Op, body []byte, usage bool) []byte { return operation(op).AsStream(body, usage) }

func Estimate(op weir.Op, request, answer []byte) weir.Usage {
	return operation(op).Estimate(request, answer)
}

func ReadFailure(op weir.Op, status int, header func(string) string, body []byte, now time.Time) Failure {
	return operation(op).ReadFailure(status, header, body, now)
}
