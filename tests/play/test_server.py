"""The laboratory accepts only requests of its own page."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from time import thread_time

import pytest

from handnn.cli import main
from handnn.play.laboratory import Laboratory
from handnn.play.server import Server


def test_serves_the_page_with_a_strict_policy(served):
    status, headers, body = served.request("GET", "/")
    assert status == 200 and b"handnn" in body
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    for part in ("main.js", "play.css", "icon.svg"):
        assert served.request("GET", f"/page/{part}")[0] == 200
    assert b"<style" not in body and b" style=" not in body and b"onclick" not in body


def test_listens_only_on_this_machine(served):
    assert served.server._socket.getsockname()[0] == "127.0.0.1"


def test_sends_the_body_of_a_response_without_waiting_for_an_acknowledgment(served):
    with closing(socket.create_connection(("127.0.0.1", served.server.port))) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{served.server.port}\r\n\r\n".encode()
        )
        connection.recv(1)
        kept = list(served.server._server.server_state.connections)
        assert kept
        for protocol in kept:
            accepted = protocol.transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["example.com", "localhost", "127.0.0.1", "127.0.0.1:1"])
def test_forbids_a_foreign_host(served, host):
    for method, path in [("GET", "/"), ("GET", "/page/main.js"), ("POST", "/api/frames")]:
        assert served.request(method, path, b"{}", served.own, host=host)[0] == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "http://example.com"},
        {"Origin": "null"},
        {"Origin": "http://localhost:80"},
        {"Origin": None},
        {"X-Handnn-Token": None},
        {"X-Handnn-Token": ""},
        {"X-Handnn-Token": "guess"},
        {"X-Handnn-Token": "é"},
    ],
)
@pytest.mark.parametrize("path", ["/api/hello", "/api/play", "/api/upload", "/api/download/c"])
def test_forbids_a_foreign_origin_and_a_missing_token(served, changed, path):
    headers = {k: v for k, v in {**served.own, **changed}.items() if v is not None}
    encoded = {name: value.encode() for name, value in headers.items()}
    status, answered, _ = served.request("POST", path, b"{}", encoded)
    assert status == 403
    assert "access-control-allow-origin" not in answered


def test_a_foreign_origin_may_not_read_the_page(served):
    assert served.request("GET", "/", headers={"Origin": "http://example.com"})[0] == 403


def test_answers_the_page(served):
    status, _, body = served.post("/api/hello")
    assert status == 200
    told = json.loads(body)
    assert {"spiral", "sine", "concrete"} <= set(told["data"])
    assert told["rows"]["n_train"] + told["rows"]["n_held_out"] == 500


def test_streams_a_frame_for_every_change(served, at_the_start):
    with closing(HTTPConnection("127.0.0.1", served.server.port, timeout=30)) as connection:
        connection.request("POST", "/api/frames", b"{}", served.own)
        response = connection.getresponse()
        first = json.loads(response.readline())
        assert first["step"] == 0 and {"curve", "warnings", "state"} <= set(first)
        served.post("/api/step")
        while (frame := json.loads(response.readline()))["step"] == 0:
            pass
    assert frame["step"] == 1 and len(frame["curve"]) == 2


def test_leaves_at_least_nine_tenths_of_the_time_to_training(monkeypatch):
    monkeypatch.setattr("handnn.play.streaming.SECONDS_PER_FRAME", 0.0)
    monkeypatch.setattr("handnn.play.streaming.monotonic", lambda: 1.0)  # however busy the CPU is
    laboratory = Laboratory()
    try:
        laboratory.play({"speed": 1})
        frames, start = laboratory.frames({}), thread_time()
        assert frames.next() is not None
        assert frames.pause > 8 * (thread_time() - start) / 2
    finally:
        laboratory.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/frames", b"x" * 300_000, 413),
        ("/api/frames", b"not JSON", 400),
        ("/api/frames", b"[1]", 400),
        ("/api/frames", b"[" * 100_000, 400),
        ("/api/frames", b'{"after": "x"}', 400),
        ("/api/load", b'{"state": {"version": 2}}', 400),
        ("/api/play", b'{"speed": -1}', 400),
        ("/api/unit", b'{"place": 99, "unit": 0}', 400),
        ("/api/edit", b'{"name": "0.w", "index": [0, 99], "value": 1}', 400),
        ("/api/edit", b'{"name": "0.w", "index": [0, 0], "value": 1e99}', 400),
        ("/api/nothing", b"{}", 404),
        ("/api/download/exe", b"", 400),
    ],
)
def test_rejects_other_requests(served, path, body, status):
    answered, _, told = served.post(path, body)
    assert answered == status
    assert served.post("/api/hello")[0] == 200
    assert json.loads(told)["error"]


@pytest.mark.parametrize("body", [b'{"seed": ' + b"9" * 5000 + b"}", b'"\xff"', b'{"a": '])
def test_rejects_requests_that_are_not_json_in_its_own_words(served, body):
    assert served.post("/api/load", body)[::2] == (400, b'{"error":"a request must be valid JSON"}')


def test_says_nothing_of_a_request_that_is_cut_off(served, caplog):
    lines = {"Host": f"127.0.0.1:{served.server.port}", **served.own, "Content-Length": "1000"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    for _ in range(5):
        with closing(socket.create_connection(("127.0.0.1", served.server.port))) as connection:
            connection.sendall(f"POST /api/upload HTTP/1.1\r\n{head}\r\na,b".encode())
    deadline = time.monotonic() + 20
    while served.server._server.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served.post("/api/hello")[0] == 200
    assert caplog.text == ""


def test_limits_the_columns_of_a_table(served, at_the_start):
    """A table of 100,000 columns would be encoded for minutes, although a network takes 256."""
    names = ",".join(f"c{n}" for n in range(1025))
    body = f"{names}\n{names}\n".encode()
    status, _, told = served.post("/api/upload", body)
    assert status == 400 and b"1,025 columns; at most 1,024" in told
    assert json.loads(served.post("/api/hello")[2])["file"] == ""


def test_rejects_parts_that_the_page_does_not_have(served):
    for name in ("nothing.js", "..%2fserver.py", "%2e%2e%2f__init__.py"):
        assert served.request("GET", f"/page/{name}")[0] == 404


def test_limits_the_size_of_a_table(served):
    assert served.post("/api/upload", b"a,b\n" + b"1,2\n" * 6_000_000)[0] == 413


@pytest.mark.parametrize("form", ["safetensors", "c", "onnx"])
def test_downloads(served, form):
    if form == "onnx":
        pytest.importorskip("onnx")
    status, headers, body = served.post(f"/api/download/{form}", b"")
    assert status == 200 and headers["content-disposition"].startswith("attachment")
    assert len(body) > 200
    assert form != "c" or b"model_predict" in body


def test_training_pauses_when_no_page_looks(served, monkeypatch):
    monkeypatch.setattr("handnn.play.player.SECONDS_UNSEEN", 0.2)
    served.post("/api/play", b'{"speed": 100}')
    player = served.server.laboratory.player
    for _ in range(100):
        if not player.status.is_playing:
            break
        player._thread.join(0.05)
    assert not player.status.is_playing
    assert player.session.step > 0


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent differently")
def test_ctrl_c_ends_the_command():
    pytest.importorskip("uvicorn")
    process = subprocess.Popen(
        [sys.executable, "-m", "handnn", "play", "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    first = process.stdout.readline()
    assert "http://127.0.0.1:" in first and "#token=" in first
    process.stdout.readline()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "The laboratory has ended.\n", "")


def test_names_the_extra_that_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "handnn.play.server", raising=False)
    assert main(["play"]) == 1
    assert capsys.readouterr().err == (
        "handnn: the page needs starlette and uvicorn: pip install starlette uvicorn\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.csv"], "DATA and --target must be given together"),
        (["--target", "y"], "DATA and --target must be given together"),
        (["/no/such.csv", "--target", "y"], "No such file"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    pytest.importorskip("uvicorn")
    assert main(["play", *arguments]) != 0
    assert message in capsys.readouterr().err


def test_a_page_that_is_opened_before_the_server_runs_waits():
    server = Server()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5):
            pass
    finally:
        server.laboratory.close()
        server._socket.close()
