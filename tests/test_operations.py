"""A gateway in production: keys, limits, logs, metrics, spans, and what stays true when it is killed."""

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from ponder.errors import InputError
from ponder.models.simulated import ABLE, Simulated
from ponder.models.upstreams import Upstreams
from ponder.serve import chat
from ponder.serve.ask import Ask
from ponder.serve.door import ABREAST, Door
from ponder.serve.endpoints import started
from ponder.serve.keys import Keyring
from ponder.serve.ledger import Ledger
from ponder.serve.limits import EVER, parse
from ponder.serve.log import Lines
from ponder.serve.operations import Operations
from ponder.serve.server import Gathering, Place, Server, gateway, run
from ponder.serve.server import listening as listening_at
from ponder.serve.settings import Settings
from ponder.serve.spans import Spans
from ponder.serve.sse import Stream
from ponder.serve.visit import depth
from ponder.types import Message, Price
from serving import listening

CHAT = "/v1/chat/completions"
SECRET = "simulated problem 17 my-secret-prompt"


def body(**more):
    return {"model": "sim", "messages": [{"role": "user", "content": SECRET}]} | more


class Client:
    """A plain client of a gateway with operations."""

    def __init__(self, session, url, operations, made):
        self.session, self.url, self.operations, self.app = session, url, operations, made

    async def post(self, path=CHAT, key=None, headers=None, **more):
        headers = (headers or {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        async with self.session.post(self.url + path, json=body(**more), headers=headers) as response:
            text = await response.text()
            return response.status, text, response.headers

    async def get(self, path, **headers):
        async with self.session.get(self.url + path, headers=headers) as response:
            return response.status, await response.text()


@asynccontextmanager
async def served(tmp_path, model=None, spans=None, place=Place(), **settings):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    operations = Operations(ledger, spans)
    model = model or Simulated(price=Price(1e-3, 1e-3))
    made = gateway(Settings({"sim": model}, strategy="direct", **settings), place, operations)
    async with listening(made) as url, aiohttp.ClientSession() as session:
        yield Client(session, url, operations, made)
    operations.close()


def test_a_key_is_asked_for_once_there_is_one_and_its_limits_are_told_and_kept(tmp_path):
    async def main():
        async with served(tmp_path) as client:
            assert (await client.post())[0] == 200
            ring, ledger = client.operations.keyring, client.operations.accounts.ledger
            key = ring.create("ada", parse("3/day,$100/day"))
            for wrong in (None, "pk-1-2", key + "x"):
                status, text, _ = await client.post(key=wrong)
                assert (status, json.loads(text)["error"]["code"]) == (401, "invalid_api_key")
            status, text, headers = await client.post(key=key)
            spent = json.loads(text)["usage"]["total_tokens"]
            assert (status, headers["x-ratelimit-remaining-requests"], headers["x-ratelimit-limit-usd"]) == (200, "2", "100")
            assert (await client.post("/v1/messages", headers={"x-api-key": key}, max_tokens=50))[0] == 200
            assert (await client.post(key=key, stream=True))[0] == 200
            status, text, headers = await client.post(key=key)
            assert (status, json.loads(text)["error"]["type"]) == (429, "rate_limit_error")
            assert 0 < int(headers["Retry-After"]) <= 86400
            assert headers["x-should-retry"] == "false"
            known = ring.check(key)
            assert ledger.used(known).requests == 3
            assert ledger.used(known).tokens > 2 * spent / 2
            assert ledger.used(known).usd == pytest.approx(ledger.used(known).tokens * 1e-3)
            assert ledger.db.execute("SELECT COUNT(*) FROM request WHERE state = 'open'").fetchone() == (0,)
            ring.revoke("ada")
            assert (await client.post(key=key))[0] == 401
            assert (await client.post())[0] == 401  # revoking the last key does not open the door

    asyncio.run(main())


def test_a_key_that_runs_out_in_the_midst_gets_the_best_so_far_and_then_429(tmp_path):
    async def main():
        async with served(tmp_path, model=Simulated(abilities=replace(ABLE, n=False), latency=1e-4)) as client:
            key = client.operations.keyring.create("ada", parse("600 tokens/ever"))
            ask = {"ponder": {"strategy": "self-consistency", "parameters": {"n": 64}}, "max_tokens": 60}
            status, text, _ = await client.post(key=key, **ask)
            assert (status, json.loads(text)["ponder"]["stopped"]) == (200, "budget")
            used = client.operations.accounts.ledger.used(client.operations.keyring.check(key), EVER)
            assert 500 < used.tokens <= 600
            status, text, headers = await client.post(key=key, **ask)
            assert (status, json.loads(text)["error"]["code"], headers.get("Retry-After")) == (429, "insufficient_quota", None)

    asyncio.run(main())


def test_what_was_streamed_is_on_the_ledger_before_the_stream_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("ponder.serve.operations.EVERY", 0.0)
    model = Simulated(latency=0.01, words=40, abilities=replace(ABLE, n=False))

    async def main():
        async with served(tmp_path, model=model) as client:
            key = client.operations.keyring.create("ada")
            known, ledger = client.operations.keyring.check(key), client.operations.accounts.ledger
            headers = {"Authorization": f"Bearer {key}"}
            async with client.session.post(client.url + CHAT, json=body(stream=True), headers=headers) as response:
                async for line in response.content:
                    if line.startswith(b"data:") and model.tally.completion > 8:
                        break
                assert 8 <= ledger.used(known).tokens <= model.tally.usage.computed
            for _ in range(100):
                await asyncio.sleep(0.01)
                if ledger.db.execute("SELECT state FROM request").fetchone() == ("done",):
                    break
            assert ledger.used(known).tokens == model.tally.usage.computed

    asyncio.run(main())


def test_logs_and_metrics_tell_much_and_never_a_prompt_an_answer_or_a_key(tmp_path, caplog):
    lines = []
    caplog.set_level(logging.INFO, "ponder.serve")

    async def main():
        pair = Upstreams([Simulated(price=Price(1e-3, 1e-3)), Simulated(price=Price(1e-3, 1e-3))])
        async with served(tmp_path, model=pair) as client:
            key = client.operations.keyring.create("ada", parse("9/m"))
            vote = {"strategy": "self-consistency", "parameters": {"n": 4}}
            await client.post(key=key, headers={"x-request-id": "mine.1"}, ponder=vote)
            await client.post(key=key, headers={"x-request-id": "not mine"}, temperature="hot")
            await client.post(key="pk-wrong-key")
            assert (await client.get("/metrics"))[0] == 401
            status, page = await client.get("/metrics", Authorization=f"Bearer {key}")
            lines.extend(json.loads(Lines().format(record)) for record in caplog.records if record.name == "ponder.serve")
            return key, status, page

    key, status, page = asyncio.run(main())
    assert status == 200
    first = next(line for line in lines if line.get("id") == "mine.1")
    told = [first[name] for name in ("event", "status", "client", "strategy", "calls")]
    assert told == ["request", 200, "ada", "self-consistency", 1]
    assert first["completion_tokens"] > 0
    assert [line["status"] for line in lines if line["event"] == "request"][:3] == [200, 400, 401]
    for name in (
        'ponder_requests_total{path="/v1/chat/completions",status="200"} 1.0', "ponder_time_to_first_byte_seconds_bucket",
        'role="policy"', 'kind="completion"', "ponder_usd_total", "ponder_in_flight 0.0", "ponder_queue_depth", 'upstream="1"',
        'ponder_samples_per_request_sum{strategy="self-consistency"} 4.0',
    ):  # fmt: skip
        assert name in page
    for told in (json.dumps(lines), page):
        assert "secret" not in told
        assert key not in told


def test_an_error_is_logged_where_it_happened_and_without_its_words():
    try:
        raise ValueError("my-secret-prompt")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "Exception in ASGI application\n", (), sys.exc_info())
    line = json.loads(Lines().format(record))
    assert line["error"] == "ValueError"
    assert re.search(r"test_operations.py:\d+ test_an_error", line["where"][0])
    assert "secret" not in json.dumps(line)


def test_spans_have_the_conventions_names_and_the_usage_on_the_leaves_alone(tmp_path):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    model = Simulated(abilities=replace(ABLE, n=False))

    async def main():
        async with served(tmp_path, model=model, spans=Spans(provider)) as client:
            await client.post(ponder={"strategy": "self-consistency", "parameters": {"n": 4}})

    asyncio.run(main())
    *leaves, root = exporter.get_finished_spans()
    assert (root.name, root.attributes["gen_ai.operation.name"]) == ("invoke_workflow self-consistency", "invoke_workflow")
    assert not [name for name in root.attributes if "usage" in name]
    assert [one.name for one in leaves] == ["chat simulated"] * 4
    assert {one.parent.span_id for one in leaves} == {root.context.span_id}
    assert sum(one.attributes["gen_ai.usage.input_tokens"] for one in leaves) == model.tally.prompt
    assert sum(one.attributes["gen_ai.usage.output_tokens"] for one in leaves) == model.tally.completion


def test_nesting_is_counted_outside_of_strings_and_no_further_than_needed():
    many = b"[]" * 60
    for text, levels in ((b"[[[]]]", 3), (b'{"a":"[[[[\\"[["}', 1), (b'[{"a":[1,2]},[]]', 3)):
        assert depth(text + many, 50) == levels
    assert depth(b"[" * 99, 50) == 51
    assert depth(b"[" * 50, 50) == 0  # so few marks cannot be too many levels


def test_bodies_are_limited_cors_is_off_and_the_house_can_be_full(tmp_path):
    async def main():
        place = Place(largest=4000)
        async with served(tmp_path, place=place, crowd=1, model=Simulated(latency=0.05)) as client:
            status, text, _ = await client.post(messages=[{"role": "user", "content": "x" * 5000}])
            assert (status, json.loads(text)["error"]["code"]) == (413, "body_too_large")
            deep = json.dumps(body()).replace('"sim"', "[" * 100 + "]" * 100)
            async with client.session.post(client.url + CHAT, data=deep, headers={"Content-Type": "application/json"}) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (400, "body_too_deep")
            async with client.session.options(client.url + CHAT, headers={"Origin": "https://x.org"}) as response:
                assert "access-control-allow-origin" not in response.headers
            first = asyncio.ensure_future(client.post())
            await asyncio.sleep(0.1)
            status, text, headers = await client.post()
            assert (status, json.loads(text)["error"]["type"]) == (503, "overloaded_error")
            assert int(headers["Retry-After"]) >= 1
            assert (await first)[0] == 200
        async with served(tmp_path, place=Place(origins=("https://x.org",))) as client:
            asked = {"Origin": "https://x.org", "Access-Control-Request-Method": "POST"}
            async with client.session.options(client.url + CHAT, headers=asked) as response:
                assert response.headers["access-control-allow-origin"] == "https://x.org"

    asyncio.run(main())


def test_when_the_door_closes_who_is_inside_gets_the_best_so_far_and_nobody_else_comes_in(tmp_path):
    async def main():
        model = Simulated(latency=0.02, abilities=replace(ABLE, n=False), concurrency=4)
        async with served(tmp_path, model=model) as client:
            ask = {"ponder": {"strategy": "self-consistency", "parameters": {"n": 200}}}
            inside = asyncio.ensure_future(client.post(**ask))
            await asyncio.sleep(0.8)
            closing = asyncio.ensure_future(client.app.state.house.door.close(grace=0.2))
            await asyncio.sleep(0.05)
            status, _, headers = await client.post()
            assert (status, headers["Connection"]) == (503, "close")
            began = time.monotonic()
            status, text, _ = await inside
            await closing
            assert time.monotonic() - began < 2
            assert (status, json.loads(text)["ponder"]["stopped"]) == (200, "budget")

    asyncio.run(main())


def test_a_server_that_anyone_could_use_does_not_start(tmp_path):
    settings = Settings({"sim": Simulated()})
    with pytest.raises(InputError, match="make a key first"):
        run(settings, Place(host="0.0.0.0", ledger=tmp_path / "l.sqlite"))
    with pytest.raises(InputError, match="no file"):
        run(settings, Place(certificate=tmp_path / "none.pem", private_key=tmp_path / "none.key"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_with_a_certificate_it_speaks_tls_and_nothing_else(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(words, check=True, capture_output=True)

    async def main():
        place = Place(port=0, certificate=certificate, private_key=key)
        operations = Operations()
        server = Server(gateway(Settings({"sim": Simulated()}, strategy="direct"), place, operations), place)
        running = asyncio.create_task(server.serve(listening_at(place)))
        while not server.started:
            await asyncio.sleep(0.005)
        port, trusted = server.servers[0].sockets[0].getsockname()[1], ssl.create_default_context(cafile=certificate)
        async with aiohttp.ClientSession() as session:
            async with session.post(f"https://127.0.0.1:{port}{CHAT}", json=body(), ssl=trusted) as response:
                assert (response.status, (await response.json())["choices"][0]["finish_reason"]) == (200, "stop")
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://127.0.0.1:{port}/health")
        server.should_exit = True
        await running
        operations.close()

    asyncio.run(main())


def test_a_client_that_is_gone_before_anything_was_done_leaves_no_request_open(tmp_path):
    """Neither one that has seen the first frame, nor one whose stream has never begun."""

    async def left(frames):
        sent = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await Stream(frames)({}, receive, send)
        return sent

    async def main():
        async with served(tmp_path) as client:
            ledger, house = client.operations.accounts.ledger, client.app.state.house
            key = client.operations.keyring.create("ada")
            holder = await house.seams.authorise({"authorization": f"Bearer {key}"})
            for begins in (True, False):
                plan, updates = await started(house, holder, Ask("sim", (Message("user", SECRET),)), True)
                assert ledger.db.execute("SELECT state FROM request WHERE id = ?", (plan.id,)).fetchone() == ("open",)
                frames = chat.chunks(plan, updates, True, False)
                del updates
                if begins:
                    await left(frames)
                del frames
                await asyncio.sleep(0.01)
                assert ledger.db.execute("SELECT state FROM request WHERE id = ?", (plan.id,)).fetchone() == ("done",)
                assert house.door.inside == 0

    asyncio.run(main())


def test_whoever_comes_with_others_waits_until_all_are_in_and_a_few_begin_in_a_turn():
    async def main():
        door, begun = Door(), []

        async def one(number):
            door.enter()
            await door.turn()
            begun.append(number)

        asking = [asyncio.ensure_future(one(number)) for number in range(ABREAST)]
        for number in range(ABREAST, ABREAST + 2):  # as long as others come in
            await asyncio.sleep(0)
            assert begun == []
            asking.append(asyncio.ensure_future(one(number)))
        asking[0].cancel()
        seen = set()
        while len(begun) < ABREAST + 1:
            await asyncio.sleep(0)
            seen.add(len(begun))
        assert begun == list(range(1, ABREAST + 2))
        assert ABREAST - 1 in seen  # the last two had to wait for another turn

    asyncio.run(main())


def test_what_is_written_in_a_turn_is_sent_at_once_and_nothing_is_kept_back():
    class Wire:
        def __init__(self):
            self.sent, self.closed = [], False

        def write(self, data):
            self.sent.append(data)

        def is_closing(self):
            return self.closed

        def close(self):
            self.closed = True

    async def main():
        wire = Wire()
        gathering = Gathering(wire, most=8)
        for part in (b"head ", b"bo"):
            gathering.write(part)
        assert (wire.sent, gathering.is_closing()) == ([], False)
        await asyncio.sleep(0)
        gathering.write(b"a long body")
        assert wire.sent == [b"head bo", b"a long body"]
        gathering.write(b"end")
        gathering.close()
        await asyncio.sleep(0)
        assert (wire.sent[2:], wire.closed) == ([b"end"], True)

    asyncio.run(main())


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@asynccontextmanager
async def process(tmp_path, port, model):
    """A real server in a process of its own."""
    words = [sys.executable, "-m", "ponder", "serve", "--model", model, "--strategy", "direct", "--port", str(port), "--no-store"]
    words += ["--ledger", str(tmp_path / "ledger.sqlite"), "--grace", "9"]
    running = subprocess.Popen(words, env=os.environ | {"PONDER_NO_PROGRESS": "1"}, stderr=subprocess.PIPE)
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(400):
                try:
                    async with session.get(f"http://127.0.0.1:{port}/health"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
            yield running, session, f"http://127.0.0.1:{port}{CHAT}"
    finally:
        running.kill()
        running.communicate()


def test_kill_9_loses_no_spend_and_bills_nothing_twice_and_sigterm_waits_for_answers(tmp_path, free_port):
    """Forty requests, of which some were answered, some streamed and some not begun when the server was killed."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ring = Keyring(ledger.db)
    key = ring.create("ada", parse("100000 tokens/day"))
    known, headers = ring.check(key), {"Authorization": f"Bearer {key}"}
    told = []

    async def ask(session, url, number):
        asked = {"model": "simulated", "messages": [{"role": "user", "content": f"simulated problem {number}"}], "max_tokens": 100}
        async with session.post(url, json=asked, headers=headers) as response:
            told.append((await response.json())["usage"]["total_tokens"])
            return response.status

    async def main():
        async with process(tmp_path, free_port, "simulated:latency=0.01") as (running, session, url):
            asking = [asyncio.ensure_future(ask(session, url, number)) for number in range(40)]
            while len(told) < 15:
                await asyncio.sleep(0.005)
            running.send_signal(signal.SIGKILL)
            await asyncio.gather(*asking, return_exceptions=True)
        killed = ledger.used(known)
        assert killed.requests == 40
        assert killed.tokens >= sum(told)  # whatever was told is spent; so is what was entered and not told any more
        assert killed.tokens <= sum(told) + 40 * 103
        async with process(tmp_path, free_port, "simulated:latency=0.01") as (running, session, url):
            states = dict(ledger.db.execute("SELECT state, COUNT(*) FROM request GROUP BY state"))
            assert states.keys() == {"done", "interrupted"}
            assert ledger.used(known) == killed  # closing them has billed nothing again
            before = len(told)
            asking = [asyncio.ensure_future(ask(session, url, number)) for number in range(3)]
            while ledger.db.execute("SELECT COUNT(*) FROM request WHERE state = 'open'").fetchone() != (3,):
                await asyncio.sleep(0.005)
            running.send_signal(signal.SIGTERM)
            assert await asyncio.gather(*asking) == [200] * 3
            assert await asyncio.to_thread(running.wait, 10) == 0
            assert ledger.used(known).tokens == killed.tokens + sum(told[before:])

    asyncio.run(main())
    ledger.close()
