package engine

// The words of docs/benchmarks/engine.md.

const tableHead = `# Prediction errors of the engine

Written by ` + "`go test ./engine -run TestErrorTable -update`" + `; the same test
fails when this page differs from what the engine predicts.

Step times come from GPU and model figures and from measured kernels
(` + "`engine/kernels_measured.go`" + `). Errors are prediction / measurement - 1.

This is not a blind test. No number was fitted to a row, trace, model or GPU pair
of the tables below, but the constants all of them share (` + "`engine/roofline.go`" + `: the
cost of a launch, launches per kind of layer, NCCL latency, the host's part of a
step) were set by hand with these measurements in view, and so was the choice of
which effects to model. The kernel profiles of the RTX 4090 and RTX PRO 6000 come
from the same project as the recorded servers, though from other runs. Published
rows are played with the scheduling, defaults and kernels of their engine's
version (` + "`engine/server_test.go`" + `); Build makes those of a current vLLM. Expect larger
errors on models and GPUs that are not here.

## Recorded servers, request by request

300 ShareGPT requests at about 10/s, vLLM 0.19 (casys-kaist/LLMServingSim, MIT).
Target: means within 10 %, 99th percentiles within 25 %.

`

const summaryHead = `
## Published benchmarks

Median of the absolute error (rows). Target: TPOT 15 %, throughput 20 %.

| rows | TTFT | TPOT | end to end | tokens/s |
|---|---|---|---|---|
`

const groupHead = `
## By model, GPU and tensor parallelism

Median of the signed error over the rows of a group.

| model | stored as | GPU | tp | engine | rows | TTFT | TPOT | end to end | tokens/s |
|---|---|---|---|---|---|---|---|---|---|
`

const missingHead = `
## Rows that are not modelled

| rows | which, why |
|---|---|
`

const boardHead = `
Qwen3-14B and Qwen3-32B on one GPU that the source calls H100, three engines. The tables
take it for an SXM board, as everywhere; played as a PCIe one:

| board | TPOT | tokens/s |
|---|---|---|
`

const tablePhysics = `
These effects decide a burst and are modelled. Each comes from source code or from kernel
measurements other than these rows, which guided only the choice of effects.

- **Decoding beside prefill on A100, L40S and GeForce (FlashAttention 2).** One kernel runs both: a decoding
  sequence pays for a tile of 64 rows for each query head, and what does not fit L2 is read
  once for each. Layer profiles on two other GPUs say how much (` + "`engine/mixed.go`" + `). Without it
  Qwen3-14B and GLM-4.5-Air on A100 are 25 to 40 % too fast, with it within 10 %.
- **Prefill before decode (SGLang):** answers pause until the whole burst has been prefilled; short answers then
  have a TPOT of seconds, and they dominate a mean over requests.
- **Scheduling between steps (vLLM before 0.14):** 20 microseconds of host for each sequence of a step.
- **Weights stored narrower than the GPU computes** (8 bits on A100, MXFP4 before vLLM 0.11.1 on Hopper)
  save reading, not computing.
- **Slices of experts** are thin, their answers are not: each GPU of a tensor parallel group writes and adds up
  the whole width. GLM-4.6 in 16 bits has no tuned tiles on H200 and is bound by L2.
- **Sparse attention (DeepSeek-V3.2)** computes all slots for every token, and 64 heads where a GPU has 16.
- **Exchange over PCIe** (T4, A10, GeForce, boards without a bridge, more than two cards with one): the all-reduce
  measured on 2, 4 and 8 L40S, what exceeds its latency scaled by the link; NCCL's latency where a driver lets no card
  read the other's memory. A bridge or link slower than the family's scales that family's curve. No row of the tables
  below ran so; answers say that it is inferred.
- **MXFP4 experts are padded** slice by slice, as each kernel does: less room for the cache, so smaller batches.

Every answer of ` + "`weir simulate`, `weir fit --slo` and `weir plan --simulate`" + ` states the error of its kind of replica from these rows
(` + "`engine/measured_errors.go`" + `, written with this page): median and 90th percentile, with the number of rows.
The errors are of rows the model was built with in view; on rows outside this project TPOT was off by 16 % in the median and 61 % at the 90th percentile.

Assumed in these, not measured: what L2 caches deliver (4.5 TB/s on A100, 5.7 on Hopper), the part of compute that
products with unpacked weights reach (0.6, and 0.63 of that on Hopper), and the indexer's (0.5).

What may explain the remaining errors:

- **Qwen3-14B and 32B on "H100":** the figures are those of a PCIe board, see above: from single answers over
  32,000 tokens of context (memory) to full prompts (compute) all is slower by what separates the two boards.
- **DeepSeek on H200** takes a quarter longer than predicted at any length; its experts' slices of 256 columns have
  two blocks of scales each, the kernels measured here had twelve; not tested.
- **GLM-4.6 in 8 bits on H100, gpt-oss-20b under SGLang and TensorRT-LLM, DeepSeek-V3.2 under TensorRT-LLM:** three to twenty times
  slower than the same model under another engine or on the next GPU. A fault of the server
  is more likely than physics; they stay in the tables.
- **TTFT of bursts** is longer by 5 to 15 s for 1,000 chat requests, from the start on: a server of one process
  renders and tokenises all of them before it hands on the first. Models with an encoder of
  their own (gpt-oss, DeepSeek-V3.2) have 0 to 2 s of it. The engine's clock starts when a request reaches it.
- **128 tokens in, 4 out:** the same delay with almost no decoding after it; tokens/s is the front end's.
- **TTFT of single requests** (50 ms measured, 8 ms here): the same, per request.
- **gpt-oss at 32,000 tokens on A100:** the kernel with sinks may also have read what lies outside the window.
- **Llama 4 Scout on B200 and H100, Qwen3-235B on B200:** published as one engine's best of several layouts, without saying
  which.
- **Latency bounds of MLPerf on AMD, H100 NVL and H200 NVL:** a p99 bound is met at the knee, where a tenth in
  step time moves the rate by a half.
- **Fixed batches of 2023:** an engine without CUDA graphs for prefill and with host work between kernels:
  each step takes 1.5 to 2 times as long; the shape over batch and length agrees.
- **Lengths.** Only means are published; ShareGPT lengths are drawn from an exponential distribution here.
`
