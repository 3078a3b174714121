"""The OpenAI and Anthropic Python SDKs against a running Weir.

Environment: WEIR_URL, WEIR_ADMIN, WEIR_KEY, WEIR_LIMITED_KEY (one request a
minute). Each check prints one line; the exit status is the number that failed.
"""

import asyncio
import json
import os
import sys
import time
import traceback
import urllib.request

import anthropic
import openai

URL = os.environ["WEIR_URL"]
ADMIN = os.environ["WEIR_ADMIN"]
KEY = os.environ["WEIR_KEY"]
LIMITED_KEY = os.environ["WEIR_LIMITED_KEY"]
CHAT, EMBED = "chat", "embed"

client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0)
HELLO = [{"role": "user", "content": "Say something about rivers."}]
CHECKS = []


def check(f):
    CHECKS.append(f)
    return f


@check
def models_are_listed():
    names = [m.id for m in client.models.list()]
    assert CHAT in names and EMBED in names, names
    assert client.models.retrieve(CHAT).id == CHAT


@check
def chat_completes_with_usage():
    r = client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=16)
    assert r.choices[0].message.content
    assert r.choices[0].finish_reason in ("stop", "length")
    assert r.usage.completion_tokens > 0
    assert r.usage.total_tokens == r.usage.prompt_tokens + r.usage.completion_tokens


@check
def answers_say_who_served_them():
    raw = client.chat.completions.with_raw_response.create(model=CHAT, messages=HELLO, max_tokens=4)
    for header in ("x-request-id", "x-weir-deployment", "x-weir-replica", "x-weir-queue-ms"):
        assert raw.headers.get(header), header


@check
def stream_with_usage_asked_for():
    chunks = list(client.chat.completions.create(
        model=CHAT, messages=HELLO, max_tokens=16, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 0 and chunks[-1].choices == []


@check
def stream_without_usage_shows_none():
    chunks = list(client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=8, stream=True))
    assert all(c.choices for c in chunks), "a usage chunk nobody asked for"
    assert chunks[-1].choices[0].finish_reason


@check
def async_streams_run_side_by_side():
    async def one(c, n):
        got = 0
        stream = await c.chat.completions.create(
            model=CHAT, messages=[{"role": "user", "content": f"number {n}"}], max_tokens=12, stream=True)
        async for chunk in stream:
            got += bool(chunk.choices and chunk.choices[0].delta.content)
        return got

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0) as c:
            return await asyncio.gather(*(one(c, n) for n in range(20)))

    assert all(n > 0 for n in asyncio.run(all_of_them()))


@check
def completions_answer():
    r = client.completions.create(model=CHAT, prompt="Once upon a time", max_tokens=8)
    assert r.choices[0].text and r.usage.completion_tokens > 0


@check
def responses_answer_and_stream():
    r = client.responses.create(model=CHAT, input="Say something.", max_output_tokens=16)
    assert r.output_text and r.usage.output_tokens > 0
    kinds = [e.type for e in client.responses.create(model=CHAT, input="Again.", max_output_tokens=8, stream=True)]
    assert kinds[0] == "response.created" and "response.output_text.delta" in kinds, kinds
    assert kinds[-1] in ("response.completed", "response.incomplete"), kinds


@check
def embeddings_of_several_inputs():
    r = client.embeddings.create(model=EMBED, input=["a river", "a weir"])
    assert len(r.data) == 2 and len(r.data[0].embedding) == len(r.data[1].embedding) > 10
    assert r.usage.prompt_tokens > 0
    again = client.embeddings.create(model=EMBED, input=["a river"])
    assert again.data[0].embedding == r.data[0].embedding


@check
def tools_pass_through():
    tool = {"type": "function", "function": {
        "name": "level", "parameters": {"type": "object", "properties": {"river": {"type": "string"}}}}}
    r = client.chat.completions.create(
        model=CHAT, messages=HELLO, tools=[tool], max_tokens=64,
        tool_choice={"type": "function", "function": {"name": "level"}})
    call = r.choices[0].message.tool_calls[0]
    assert call.function.name == "level"
    json.loads(call.function.arguments)


@check
def unknown_fields_pass_through():
    r = client.chat.completions.create(
        model=CHAT, messages=HELLO, max_tokens=4, extra_body={"weir_test_unknown": {"deep": [1, 2, 3]}})
    assert r.choices


@check
def wrong_key_is_an_authentication_error():
    expect(openai.AuthenticationError, 401, lambda: openai.OpenAI(
        base_url=URL + "/v1", api_key="sk-wrong", max_retries=0).chat.completions.create(model=CHAT, messages=HELLO))


@check
def unknown_model_is_not_found():
    e = expect(openai.NotFoundError, 404, lambda: client.chat.completions.create(model="no-such", messages=HELLO))
    assert e.code == "model_not_found", e.code


@check
def a_body_that_is_not_json_is_a_bad_request():
    req = urllib.request.Request(URL + "/v1/chat/completions", data=b"{nonsense",
                                 headers={"authorization": "Bearer " + KEY, "content-type": "application/json"})
    try:
        urllib.request.urlopen(req)
    except urllib.error.HTTPError as e:
        assert e.code == 400 and "error" in json.load(e)
    else:
        raise AssertionError("accepted")


@check
def too_long_a_context_is_the_upstreams_own_bad_request():
    long = [{"role": "user", "content": "word " * 200_000}]
    e = expect(openai.BadRequestError, 400, lambda: client.chat.completions.create(model=CHAT, messages=long))
    assert e.code == "context_length_exceeded", e.code


@check
def a_limit_is_a_rate_limit_error_with_a_time():
    limited = openai.OpenAI(base_url=URL + "/v1", api_key=LIMITED_KEY, max_retries=0)
    limited.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=2)
    e = expect(openai.RateLimitError, 429,
               lambda: limited.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=2))
    assert 0 < float(e.response.headers["retry-after"]) <= 60, e.response.headers
    assert 0 < int(e.response.headers["retry-after-ms"]) <= 60_000


@check
def a_dead_upstream_is_an_internal_server_error():
    e = expect(openai.InternalServerError, None,
               lambda: client.chat.completions.create(model="broken-5xx", messages=HELLO, max_tokens=2))
    assert e.status_code >= 500, e.status_code


@check
def a_cut_stream_is_an_api_error_and_never_done():
    got = 0
    try:
        for chunk in client.chat.completions.create(model="broken-cut", messages=HELLO, max_tokens=64, stream=True):
            got += 1
    except openai.APIError:
        assert got > 0, "cut before the first token"
    else:
        raise AssertionError(f"a stream cut after {got} chunks looked finished")


@check
def leaving_mid_stream_frees_the_slot():
    stream = client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=4000, stream=True)
    for _, chunk in zip(range(3), stream):
        pass
    assert in_flight() >= 1
    stream.close()
    wait_for(lambda: in_flight() == 0, "the gauge in flight to return to zero")


@check
def anthropic_messages_where_the_upstream_speaks_it():
    c = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    r = c.messages.create(model="claude-like", max_tokens=16, messages=HELLO)
    assert r.content[0].text and r.usage.output_tokens > 0
    with c.messages.stream(model="claude-like", max_tokens=16, messages=HELLO) as s:
        assert "".join(s.text_stream)
    try:
        anthropic.Anthropic(base_url=URL, api_key="sk-wrong", max_retries=0).messages.create(
            model="claude-like", max_tokens=16, messages=HELLO)
    except anthropic.AuthenticationError:
        pass
    else:
        raise AssertionError("a wrong key was accepted")


@check
def azure_client_streams_and_embeds():
    azure = openai.AzureOpenAI(azure_endpoint=URL, api_key=KEY, api_version="2024-10-21", max_retries=0)
    r = azure.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=8)
    assert r.choices[0].message.content
    chunks = list(azure.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=8, stream=True))
    assert any(c.choices and c.choices[0].delta.content for c in chunks)
    assert azure.embeddings.create(model=EMBED, input="x").data[0].embedding
    wrong = openai.AzureOpenAI(azure_endpoint=URL, api_key="nope", api_version="2024-10-21", max_retries=0)
    expect(openai.AuthenticationError, 401, lambda: wrong.chat.completions.create(model=CHAT, messages=HELLO))
    expect(openai.NotFoundError, 404, lambda: azure.chat.completions.create(model="no-such", messages=HELLO))


@check
def azure_client_asks_responses_at_its_own_path():
    azure = openai.AzureOpenAI(azure_endpoint=URL, api_key=KEY, api_version="2025-04-01-preview", max_retries=0)
    assert azure.responses.create(model=CHAT, input="Say something.", max_output_tokens=8).output_text
    kinds = [e.type for e in azure.responses.create(model=CHAT, input="Again.", max_output_tokens=8, stream=True)]
    assert "response.output_text.delta" in kinds, kinds


@check
def chains_of_responses_stay_where_they_are_kept():
    for _ in range(4):
        last = None
        for turn in range(5):
            r = client.responses.create(model="kept", input=f"turn {turn}", max_output_tokens=4, previous_response_id=last)
            last = r.id
            assert r.model == "kept", r.model
        assert client.responses.retrieve(last).id == last
        assert client.responses.input_items.list(last).data
        client.responses.delete(last)
        expect(openai.NotFoundError, 404, lambda: client.responses.retrieve(last))
    other = openai.OpenAI(base_url=URL + "/v1", api_key=LIMITED_KEY, max_retries=0)
    mine = client.responses.create(model="kept", input="hello", max_output_tokens=4)
    expect(openai.NotFoundError, 404, lambda: other.responses.retrieve(mine.id))


@check
def anthropic_counts_tokens_calls_tools_and_lists_models():
    c = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    assert c.messages.count_tokens(model="claude-like", messages=HELLO).input_tokens > 0
    assert c.beta.messages.count_tokens(model="claude-like", messages=HELLO).input_tokens > 0
    tools = [{"name": "level", "input_schema": {"type": "object", "properties": {"metres": {"type": "integer"}}, "required": ["metres"]}}]
    r = c.messages.create(model="claude-like", max_tokens=64, messages=HELLO, tools=tools, tool_choice={"type": "any"})
    assert r.stop_reason == "tool_use" and "metres" in r.content[0].input, r
    assert "claude-like" in [m.id for m in c.models.list()]
    expect(anthropic.NotFoundError, 404, lambda: c.messages.create(model="no-such", max_tokens=4, messages=HELLO))
    expect(anthropic.BadRequestError, 400, lambda: c.messages.create(model="claude-like", max_tokens=4, messages=[{"role": "user", "content": "word " * 200_000}]))


@check
def a_stream_that_begins_late_is_read_through_signs_of_life():
    chunks = list(client.chat.completions.create(model="slow", messages=HELLO, max_tokens=8, stream=True))
    assert any(c.choices and c.choices[0].delta.content for c in chunks)
    kinds = [e.type for e in client.responses.create(model="slow", input="Say something.", max_output_tokens=8, stream=True)]
    assert kinds[0] == "response.created" and kinds[-1] == "response.incomplete", kinds
    c = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    with c.messages.stream(model="slow", max_tokens=16, messages=HELLO) as s:
        assert "".join(s.text_stream)


@check
def a_stored_answer_is_told_again_whole_and_as_a_stream():
    ask = dict(model="stored", messages=[{"role": "user", "content": "Python asks."}], max_tokens=12, temperature=0)
    chat = client.chat.completions.with_raw_response
    first = chat.create(**ask)
    again = chat.create(**ask)
    met = [first.headers.get("x-weir-cache"), again.headers.get("x-weir-cache")]
    assert met == ["miss", "hit"] and again.headers.get("age") is not None, met
    first, again = first.parse(), again.parse()
    text = first.choices[0].message.content
    assert again.choices[0].message.content == text and again.id != first.id and again.usage == first.usage, again
    stream = chat.create(**ask, stream=True, stream_options={"include_usage": True})
    assert stream.headers.get("x-weir-cache") == "hit"
    chunks = list(stream.parse())
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
    assert chunks[-1].usage == first.usage, chunks[-1]

    # A stream is stored too, of every API.
    ask = dict(model="stored", input="Python asks.", max_output_tokens=8, temperature=0, store=False)
    kinds = [e.type for e in client.responses.create(**ask, stream=True)]
    assert kinds[-1] in ("response.completed", "response.incomplete"), kinds
    again = client.responses.with_raw_response.create(**ask)
    assert again.headers.get("x-weir-cache") == "hit" and again.parse().output_text
    c = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    ask = dict(model="stored", max_tokens=8, messages=HELLO, extra_body={"temperature": 0})
    with c.messages.stream(**ask) as s:
        text = "".join(s.text_stream)
    again = c.messages.with_raw_response.create(**ask)
    assert again.headers.get("x-weir-cache") == "hit" and again.parse().content[0].text == text
    with c.messages.stream(**ask) as s:
        assert s.response.headers.get("x-weir-cache") == "hit" and "".join(s.text_stream) == text


def half_streams(model):
    """Streams of each API that end early, as what they yield and what must be raised."""
    anthropic_client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    yield "chat", openai.APIError, lambda: client.chat.completions.create(model=model, messages=HELLO, stream=True)
    yield "completions", openai.APIError, lambda: client.completions.create(model=model, prompt="x", stream=True)
    yield "responses", openai.APIError, lambda: client.responses.create(model=model, input="x", stream=True)
    yield "messages", anthropic.APIError, lambda: anthropic_client.messages.create(
        model=model, max_tokens=9, messages=HELLO, stream=True)


def raises(model):
    for name, kind, begin in half_streams(model):
        got = 0
        try:
            for _ in begin():
                got += 1
        except kind:
            assert got > 0, f"{name}: raised before the first token"
        else:
            raise AssertionError(f"{name}: half a text ended in silence after {got} events")


@check
def an_error_in_mid_stream_is_raised_whatever_its_shape():
    raises("overloaded")


@check
def a_stream_without_its_finish_is_raised():
    raises("unfinished")


@check
def a_whole_answer_to_a_stream_is_streamed():
    with client.chat.completions.stream(model="whole", messages=HELLO) as s:
        for _ in s:
            pass
        message = s.get_final_completion().choices[0].message
        assert message.content == "hello" and message.tool_calls[0].function.name == "f", message
    chunks = list(client.completions.create(model="whole", prompt="x", stream=True))
    assert "".join(c.choices[0].text for c in chunks) == "hello"
    with client.responses.stream(model="whole", input="x") as s:
        for _ in s:
            pass
        assert s.get_final_response().output_text == "hello"
    with anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0).messages.stream(
            model="whole", max_tokens=9, messages=HELLO) as s:
        assert "".join(s.text_stream) == "hello"
        final = s.get_final_message()
        assert final.content[1].input == {"a": 1} and final.stop_reason == "tool_use" and final.usage.output_tokens == 2, final


def expect(kind, status, f):
    try:
        f()
    except kind as e:
        assert status is None or e.status_code == status, f"status {e.status_code}"
        return e
    raise AssertionError(f"no {kind.__name__} was raised")


def in_flight():
    """Requests Weir has in flight, from its own metrics."""
    with urllib.request.urlopen(ADMIN + "/metrics") as r:
        lines = r.read().decode().splitlines()
    values = [float(l.rsplit(" ", 1)[1]) for l in lines if l.startswith("weir_requests_in_flight")]
    assert values, "no weir_requests_in_flight in /metrics"
    return sum(values)


def wait_for(cond, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not cond():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)


def main():
    failed = 0
    for f in CHECKS:
        began = time.monotonic()
        try:
            f()
            print("ok  ", f.__name__, f"({1e3 * (time.monotonic() - began):.0f} ms)", flush=True)
        except Exception:
            failed += 1
            print("FAIL", f.__name__, flush=True)
            traceback.print_exc()
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
