"""The server that chapter 7 writes out, asked by clients that know nothing of it."""

import http.server
import itertools
import json
import threading
from http.client import HTTPConnection

import nbformat
import numpy as np
import pytest
from conftest import ROOT

from lmtutorial import generation, ngram, tokenizers

TEXT = "to be or not to be, that is the question; " * 40


@pytest.fixture(scope="module")
def server():
    names = {"generation": generation, "http": http, "itertools": itertools, "json": json, "threading": threading}
    for cell in nbformat.read(ROOT / "notebooks" / "07_tools.ipynb", 4).cells:
        if "server" in cell.metadata.get("tags", []):
            exec(compile(cell.source, cell.id, "exec"), names)
    chars = tokenizers.train("char", TEXT)
    model = ngram.train("mkn5", chars.encode(TEXT), chars.vocab_size)
    server, address = names["serve"](model, chars)
    server.model, server.tokenizer, server.address = model, chars, address
    yield server
    server.shutdown()
    server.server_close()


def ask(server, body, path="/v1/completions", method="POST", **headers):
    """Return the status of the answer, and its content."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def written(server, prompt, tokens, *sampler, seed=0, stop=()):
    return generation.generate(server.model, server.tokenizer, [prompt], tokens, sampler, seed, stop)[0]


def test_an_answer_is_what_generate_writes(server):
    status, content = ask(server, {"prompt": "to ", "max_tokens": 30, "seed": 3})
    answer = json.loads(content)
    assert (status, answer["object"]) == (200, "text_completion")
    assert answer["choices"][0]["text"] == written(server, "to ", 30, seed=3)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 30, "total_tokens": 33}


def test_the_options_reach_the_sampler(server):
    asked = {"prompt": "to ", "max_tokens": 30}
    greedy = json.loads(ask(server, asked | {"temperature": 0})[1])["choices"][0]
    assert greedy["text"] == written(server, "to ", 30, generation.greedy)
    narrow = json.loads(ask(server, asked | {"temperature": 0.5, "top_p": 0.9})[1])["choices"][0]
    assert narrow["text"] == written(server, "to ", 30, generation.temperature(0.5), generation.top_p(0.9))
    stopped = json.loads(ask(server, asked | {"temperature": 0, "stop": " "})[1])["choices"][0]
    assert stopped == {"index": 0, "text": "be", "finish_reason": "stop", "logprobs": None}


def test_a_null_is_a_field_that_is_not_there(server):
    asked = {"prompt": "to ", "temperature": None, "stop": None, "max_tokens": None}
    assert json.loads(ask(server, asked)[1])["choices"][0]["text"] == written(server, "to ", 16)


def test_a_stream_is_the_same_text_in_pieces(server):
    status, content = ask(server, {"prompt": "to ", "max_tokens": 30, "stream": True})
    *events, done, rest = content.split("\n\n")
    assert (status, done, rest) == (200, "data: [DONE]", "")
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    assert "".join(choice["text"] for choice in choices) == written(server, "to ", 30)
    assert [choice["finish_reason"] for choice in choices] == [None] * 30 + ["length"]


def test_the_models_are_listed(server):
    status, content = ask(server, b"", "/v1/models", "GET")
    assert (status, [entry["id"] for entry in json.loads(content)["data"]]) == (200, ["lmtutorial"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not json", "Expecting value"),
        (b"\xff\xfe", ""),
        (b"[" * 50_000, ""),
        ([1], "an object"),
        ({}, "prompt has the wrong type"),
        ({"prompt": ["to "]}, "prompt has the wrong type"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": "word: \u8bcd"}, "not in the alphabet"),
        ({"prompt": "to ", "max_tokens": 0}, "from 1 to 2000"),
        ({"prompt": "to ", "max_tokens": 10**9}, "from 1 to 2000"),
        ({"prompt": "to ", "max_tokens": True}, "max_tokens has the wrong type"),
        ({"prompt": "to ", "max_tokens": "5"}, "max_tokens has the wrong type"),
        ({"prompt": "to ", "temperature": -1}, "temperature must be positive"),
        ({"prompt": "to ", "top_p": 2}, "top-p must be"),
        ({"prompt": "to ", "seed": -1}, "seed must not be negative"),
        ({"prompt": "to ", "stop": 5}, "a list of strings"),
        ({"prompt": "to ", "stop": [""]}, "empty stop string"),
        ({"prompt": "to ", "stream": "yes"}, "stream has the wrong type"),
    ],
)
def test_a_bad_request_is_answered_with_a_sentence(server, body, message):
    status, content = ask(server, body)
    assert status == 400
    assert message in json.loads(content)["error"]["message"]
    assert ask(server, {"prompt": "to "})[0] == 200  # it goes on


def test_a_request_that_is_too_large_is_not_read(server):
    status, content = ask(server, b"", **{"Content-Length": "1000000000"})
    assert status == 400
    assert "at most" in json.loads(content)["error"]["message"]
    assert ask(server, b"", **{"Content-Length": "many"})[0] == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_address_is_not_found(server, method):
    status, content = ask(server, {"prompt": "to "}, "/v1/nothing", method)
    assert (status, json.loads(content)["error"]["message"]) == (404, "there is no /v1/nothing")


def test_a_client_that_leaves_does_not_stop_the_server(server):
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("POST", "/v1/completions", json.dumps({"prompt": "to ", "max_tokens": 2000, "stream": True}))
    connection.getresponse().read(10)
    connection.close()
    assert ask(server, {"prompt": "to "})[0] == 200


def test_openai_s_client_gets_text_pieces_and_errors(server):
    openai = pytest.importorskip("openai", reason="openai is not installed: pip install openai")
    with openai.OpenAI(
        base_url=server.address, api_key="none", http_client=openai.DefaultHttpxClient(trust_env=False), max_retries=0
    ) as client:
        asked = {"model": "lmtutorial", "prompt": "to ", "max_tokens": 30, "seed": 1}
        right = written(server, "to ", 30, seed=1)
        assert [entry.id for entry in client.models.list()] == ["lmtutorial"]
        answer = client.completions.create(**asked)
        assert (answer.choices[0].text, answer.usage.completion_tokens) == (right, 30)
        pieces = client.completions.create(**asked, stream=True)
        assert "".join(piece.choices[0].text for piece in pieces) == right
        with pytest.raises(openai.BadRequestError, match="max_tokens must be"):
            client.completions.create(**asked | {"max_tokens": 0})


def test_any_model_of_the_protocol_may_stand_behind_it(server):
    class Even:
        vocab_size = server.tokenizer.vocab_size

        def start(self):
            return None, np.zeros(self.vocab_size)

        def step(self, state, token):
            return None, np.zeros(self.vocab_size)

    handler = server.RequestHandlerClass
    model, handler.model = handler.model, Even()
    try:
        assert len(json.loads(ask(server, {"prompt": "to "})[1])["choices"][0]["text"]) == 16
    finally:
        handler.model = model
