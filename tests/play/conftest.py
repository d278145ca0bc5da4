"""A running laboratory, and a browser to look at it."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPConnection

import pytest

OPTIONS = [
    f"--{name}"
    for name in [
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    ]
]


class Served:
    """A server in a thread, and requests to it with any headers."""

    def __init__(self, server):
        self.server = server
        self.thread = threading.Thread(target=server.run, daemon=True)
        self.thread.start()
        self.own = {
            "Origin": f"http://127.0.0.1:{server.port}",
            "X-Handnn-Token": server.token,
        }

    def request(self, method, path, body=b"", headers=None, host=None):
        """Return the status, the headers and the body of a response."""
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as connection:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host or f"127.0.0.1:{self.server.port}")
            connection.putheader("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # rejected early
                connection.send(body)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def post(self, path, body=b"{}"):
        return self.request("POST", path, body, self.own)

    def close(self):
        self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def served():
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    from handnn.play.server import Server

    found = Served(Server())
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            found.request("GET", "/")
            break
        except ConnectionError:
            time.sleep(0.05)
    yield found
    found.close()


@pytest.fixture(scope="package")  # not "session": Playwright's event loop runs while it is open
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Debian's chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(served, browser):
    """Return a function that opens the page, and check that no page reports an error."""
    contexts, problems = [], []

    def opened(url=None, width=1400, dark=False):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda m: m.type in ("error", "warning") and problems.append(m.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url or served.server.url)
        page.wait_for_selector("body[data-step]:not([data-step=''])")
        return page

    yield opened
    for context in contexts:
        context.close()
    refused = "the server responded with a status of 400"  # the response to an invalid table
    assert [text for text in problems if refused not in text] == []


@pytest.fixture
def at_the_start(served):
    """Reset the session, which all tests share."""
    served.post("/api/load", b'{"state": {"version": 1}}')
