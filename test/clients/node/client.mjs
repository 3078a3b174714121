// The OpenAI Node SDK, its AzureOpenAI client included, against a running Weir.
// Environment as in python_client.py. The exit status is the number of checks
// that failed.
import assert from "node:assert/strict";
import OpenAI, { AzureOpenAI } from "openai";

const { WEIR_URL, WEIR_ADMIN, WEIR_KEY, WEIR_LIMITED_KEY } = process.env;
const chat = "chat", embed = "embed";
const messages = [{ role: "user", content: "Say something about rivers." }];
const client = new OpenAI({ baseURL: WEIR_URL + "/v1", apiKey: WEIR_KEY, maxRetries: 0 });
const azure = new AzureOpenAI({
  endpoint: WEIR_URL, apiKey: WEIR_KEY, apiVersion: "2024-10-21", maxRetries: 0,
});

const checks = {
  async "chat completes with usage"() {
    const r = await client.chat.completions.create({ model: chat, messages, max_tokens: 16 });
    assert.ok(r.choices[0].message.content);
    assert.ok(r.usage.completion_tokens > 0);
  },
  async "stream with usage"() {
    const stream = await client.chat.completions.create({
      model: chat, messages, max_tokens: 16, stream: true, stream_options: { include_usage: true },
    });
    let text = "", usage;
    for await (const c of stream) {
      text += c.choices[0]?.delta?.content ?? "";
      usage = c.usage ?? usage;
    }
    assert.ok(text && usage.completion_tokens > 0);
  },
  async "embeddings, whose default encoding is base64 on the wire"() {
    const r = await client.embeddings.create({ model: embed, input: ["a", "b"] });
    assert.equal(r.data.length, 2);
    assert.ok(Math.abs(r.data[0].embedding.reduce((s, x) => s + x * x, 0) - 1) < 1e-3, "not a unit vector");
  },
  async "tools pass through"() {
    const r = await client.chat.completions.create({
      model: chat, messages, max_tokens: 64,
      tools: [{ type: "function", function: { name: "level", parameters: { type: "object", properties: {} } } }],
      tool_choice: { type: "function", function: { name: "level" } },
    });
    assert.equal(r.choices[0].message.tool_calls[0].function.name, "level");
  },
  async "responses stream"() {
    const stream = await client.responses.create({ model: chat, input: "Say something.", max_output_tokens: 8, stream: true });
    const kinds = [];
    for await (const e of stream) kinds.push(e.type);
    assert.ok(kinds.includes("response.output_text.delta"), kinds.join());
  },
  async "errors are the SDK's own types"() {
    const wrong = new OpenAI({ baseURL: WEIR_URL + "/v1", apiKey: "sk-wrong", maxRetries: 0 });
    await assert.rejects(wrong.chat.completions.create({ model: chat, messages }), OpenAI.AuthenticationError);
    await assert.rejects(client.chat.completions.create({ model: "no-such", messages }), OpenAI.NotFoundError);
    await assert.rejects(
      client.chat.completions.create({ model: chat, messages: [{ role: "user", content: "word ".repeat(200_000) }] }),
      OpenAI.BadRequestError);
    await assert.rejects(client.chat.completions.create({ model: "broken-5xx", messages }), OpenAI.InternalServerError);
    const limited = new OpenAI({ baseURL: WEIR_URL + "/v1", apiKey: WEIR_LIMITED_KEY, maxRetries: 0 });
    await assert.rejects(async () => {
      for (let i = 0; i < 2; i++) await limited.chat.completions.create({ model: chat, messages, max_tokens: 2 });
    }, OpenAI.RateLimitError);
  },
  async "a cut stream is an error, never done"() {
    await assert.rejects(async () => {
      const stream = await client.chat.completions.create({ model: "broken-cut", messages, max_tokens: 64, stream: true });
      for await (const _ of stream);
    }, OpenAI.APIError);
  },
  async "an error in mid-stream and a missing finish are raised"() {
    for (const model of ["overloaded", "unfinished"]) {
      for (const begin of [
        () => client.chat.completions.create({ model, messages, stream: true }),
        () => client.completions.create({ model, prompt: "x", stream: true }),
        () => client.responses.create({ model, input: "x", stream: true }),
      ]) {
        let got = 0;
        await assert.rejects(async () => { for await (const _ of await begin()) got++; }, OpenAI.APIError);
        assert.ok(got > 0, "raised before the first token");
      }
    }
  },
  async "a whole answer to a stream is streamed"() {
    let text = "";
    for await (const c of await client.chat.completions.create({ model: "whole", messages, stream: true }))
      text += c.choices[0]?.delta?.content ?? "";
    assert.equal(text, "hello");
    const r = await client.responses.stream({ model: "whole", input: "x" }).finalResponse();
    assert.equal(r.output_text, "hello");
  },
  async "a stored answer is told again, whole and as a stream"() {
    const ask = { model: "stored", messages: [{ role: "user", content: "Node asks." }], max_tokens: 12, temperature: 0 };
    let first = "";
    for await (const c of await client.chat.completions.create({ ...ask, stream: true })) first += c.choices[0]?.delta?.content ?? "";
    const whole = await client.chat.completions.create(ask).withResponse();
    assert.equal(whole.response.headers.get("x-weir-cache"), "hit");
    assert.equal(whole.data.choices[0].message.content, first);
    const again = await client.chat.completions.create({ ...ask, stream: true }).withResponse();
    assert.equal(again.response.headers.get("x-weir-cache"), "hit");
    let text = "";
    for await (const c of again.data) text += c.choices[0]?.delta?.content ?? "";
    assert.equal(text, first);
  },
  async "cancel mid-stream frees the slot"() {
    const stream = await client.chat.completions.create({ model: chat, messages, max_tokens: 4000, stream: true });
    let n = 0;
    for await (const _ of stream) if (++n === 3) break; // leaving the loop aborts the request
    await until(async () => (await inFlight()) === 0, "the gauge in flight to return to zero");
  },
  async "AzureOpenAI: chat, stream, embeddings, errors"() {
    const r = await azure.chat.completions.create({ model: chat, messages, max_tokens: 8 });
    assert.ok(r.choices[0].message.content);
    let text = "";
    for await (const c of await azure.chat.completions.create({ model: chat, messages, max_tokens: 8, stream: true }))
      text += c.choices[0]?.delta?.content ?? "";
    assert.ok(text);
    const e = await azure.embeddings.create({ model: embed, input: "x" });
    assert.ok(e.data[0].embedding.length > 10);
    await assert.rejects(azure.chat.completions.create({ model: "no-such", messages }), OpenAI.NotFoundError);
    const wrong = new AzureOpenAI({ endpoint: WEIR_URL, apiKey: "no", apiVersion: "2024-10-21", maxRetries: 0 });
    await assert.rejects(wrong.chat.completions.create({ model: chat, messages }), OpenAI.AuthenticationError);
  },
  async "AzureOpenAI asks responses at its own path"() {
    const a = new AzureOpenAI({ endpoint: WEIR_URL, apiKey: WEIR_KEY, apiVersion: "2025-04-01-preview", maxRetries: 0 });
    const r = await a.responses.create({ model: chat, input: "Say something.", max_output_tokens: 8 });
    assert.ok(r.output_text);
  },
  async "chains of responses stay where they are kept"() {
    for (let i = 0; i < 4; i++) {
      let last;
      for (let turn = 0; turn < 5; turn++) {
        const r = await client.responses.create({ model: "kept", input: `turn ${turn}`, max_output_tokens: 4, previous_response_id: last });
        last = r.id;
      }
      assert.equal((await client.responses.retrieve(last)).id, last);
      await client.responses.delete(last);
      await assert.rejects(client.responses.retrieve(last), OpenAI.NotFoundError);
    }
  },
  async "a stream that begins late is read through signs of life"() {
    let text = "";
    for await (const c of await client.chat.completions.create({ model: "slow", messages, max_tokens: 8, stream: true }))
      text += c.choices[0]?.delta?.content ?? "";
    assert.ok(text);
  },
};

async function inFlight() {
  const text = await (await fetch(WEIR_ADMIN + "/metrics")).text();
  const values = text.split("\n").filter((l) => l.startsWith("weir_requests_in_flight")).map((l) => Number(l.split(" ").pop()));
  assert.ok(values.length > 0, "no weir_requests_in_flight in /metrics");
  return values.reduce((a, b) => a + b, 0);
}

async function until(cond, what, seconds = 10) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await cond())) {
    assert.ok(Date.now() < deadline, `waited ${seconds} s in vain for ${what}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

let failed = 0;
for (const [name, f] of Object.entries(checks)) {
  const began = Date.now();
  try {
    await f();
    console.log("ok  ", name, `(${Date.now() - began} ms)`);
  } catch (e) {
    failed++;
    console.log("FAIL", name);
    console.log(e);
  }
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed);
