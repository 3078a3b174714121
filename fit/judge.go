package fit

import "fmt"

// judge compares the budget of the tightest stage with the request.
func judge(m *Model, s Setup, a *Answer) (Verdict, string) {
	b := a.Stages[a.Tight]
	if s.FreeBytes > 0 && s.FreeBytes < b.Allowed && s.Engine.traits().claims {
		return DoesNotFit, fmt.Sprintf("only %.2f GiB of the GPU are free, %s claims %.2f GiB (%.2f of %.2f GiB) and refuses to start",
			gib(s.FreeBytes), s.Engine.Name, gib(b.Allowed), s.Utilisation, gib(b.Total))
	}
	if b.Cache < 0 {
		return DoesNotFit, fmt.Sprintf("weights and workspace need %.2f GiB per GPU, %.2f GiB are available (%.2f of %.2f GiB)",
			gib(b.Need()), gib(b.Allowed), s.Utilisation, gib(b.Total))
	}
	if !m.generates() {
		return Fits, fmt.Sprintf("it needs %.2f GiB, %.2f GiB stay free for other models", gib(b.Need()), gib(b.Total-b.Need()))
	}
	if a.MaxConcurrent < 1 {
		return DoesNotFit, fmt.Sprintf("one request of %d tokens needs %.2f GiB of KV cache per GPU, %.2f GiB are left; the longest that fits is %d tokens",
			s.Context, gib(a.PerRequest), gib(b.Cache), a.MaxContext)
	}
	if a.MaxConcurrent < s.Concurrency {
		return DoesNotFit, fmt.Sprintf("%d requests of %d tokens need %.2f GiB of KV cache per GPU, %.2f GiB are left: room for %d",
			s.Concurrency, s.Context, gib(a.PerRequest)*float64(s.Concurrency), gib(b.Cache), a.MaxConcurrent)
	}
	if over := b.Activation + b.Graphs - (b.Total - b.Allowed); s.Engine.traits().pool == poolOfLoad && over > 0 {
		return DoesNotFit, fmt.Sprintf("workspace and CUDA graphs need %.2f GiB beside the share of %.2f that weights and cache take: %.2f too much; lower the utilisation (mem_fraction_static) below %.2f",
			gib(b.Activation+b.Graphs), s.Utilisation, gib(over), s.Utilisation-gib(over)/gib(b.Total))
	}
	if first := s.Engine.unprofiled(m, s); first > 0 && b.Cushion() < first {
		return RunsOut, fmt.Sprintf("%.2f GiB stay outside the engine's budget, and kernels it did not profile take %.2f GiB on first use; lower the utilisation below %.2f",
			gib(b.Cushion()), gib(first), s.Utilisation-gib(first-b.Cushion())/gib(b.Total))
	}
	if risk := s.Engine.outside(m, s); b.Cushion() < risk {
		return Tight, fmt.Sprintf("%.2f GiB stay outside the engine's budget, and unprofiled first-use allocations (sampler warm-up, workspaces, fragmentation) may take %.2f GiB; lower the utilisation or the batch",
			gib(b.Cushion()), gib(risk))
	}
	if s.Engine.traits().claims && m.generates() && a.Requests < 1.1*float64(s.Concurrency) {
		return Tight, fmt.Sprintf("the KV cache holds %.2f requests of %d tokens, less than 10 %% more than asked for", a.Requests, s.Context)
	}
	if s.Context > a.MaxContext && m.generates() {
		return DoesNotFit, fmt.Sprintf("the longest context that fits is %d tokens", a.MaxContext)
	}
	return Fits, fmt.Sprintf("%.2f GiB per GPU are left for the KV cache: %.1f requests of %d tokens at once",
		gib(b.Cache), a.Requests, s.Context)
}

// notes are the assumptions a reader should know.
func notes(m *Model, s Setup) []string {
	var out []string
	if !s.GPU.BF16 && s.GPU.SM > 0 && s.Quant.Name == "bf16" {
		out = append(out, s.GPU.Name+" has no bf16: the engine needs --dtype half, same size")
	}
	if !s.GPU.FP8 && (s.Quant.Family == "fp8") {
		out = append(out, s.GPU.Name+" has no fp8 units: weights are stored in fp8 and computed in 16 bits where the engine can")
	}
	if s.TP > 2 && !s.GPU.Fast {
		out = append(out, fmt.Sprintf("tensor parallel %d over PCIe: every layer waits for two all-reduces; expect well under half of the speed", s.TP))
	}
	if m.Vision && m.VisionParams == 0 {
		out = append(out, "the size of the vision tower is not known and not counted: give the files with --weights")
	}
	if m.Unknown != "" {
		out = append(out, fmt.Sprintf("fit does not know the family %q, and engines may not know it either: it is computed as a plain decoder with these counts; --weights with the files' index gives its exact size", m.Unknown))
	}
	if n := since[m.Family]; s.Engine.Name == "vllm" && n > 0 && s.Engine.before(0, n) {
		out = append(out, fmt.Sprintf("%s does not know the family %s, which came with 0.%d: use --engine vllm@0.%d or newer", s.Engine, m.Family, n, n))
	}
	if m.LooseLimit && m.MaxContext > 0 {
		out = append(out, fmt.Sprintf("the limit of %d tokens is that of the base model, or of its class: the model's own config.json may state another", m.MaxContext))
	}
	if !m.generates() && s.Engine.traits().tablesOnCPU && s.Context > s.BatchTokens {
		out = append(out, fmt.Sprintf("llama.cpp takes inputs of up to %d tokens by default: for longer ones give --max-batch-tokens here and --ubatch-size to llama.cpp", s.BatchTokens))
	}
	if note := mixRange(m, s); note != "" {
		out = append(out, note)
	}
	if m.From.Unverified {
		out = append(out, m.Unverified())
	}
	if m.partial() {
		out = append(out, "the shape of the linear layers is not in the catalogue: weights are computed from the published parameter count")
	}
	return out
}

// Unverified is the sentence for a shape not checked against its publication;
// "" for others.
func (m *Model) Unverified() string {
	if !m.From.Unverified {
		return ""
	}
	return "the shape of " + m.Name + " has not been checked against its publication: give its config.json before you rely on this"
}

// sources are the sources of the figures.
func sources(m *Model, s Setup) []string {
	var out []string
	if m.From.What != "" {
		out = append(out, "shape: "+m.From.String())
	}
	if s.GPU.source != "" {
		out = append(out, "memory of "+s.GPU.Name+": "+s.GPU.source)
	}
	return out
}
