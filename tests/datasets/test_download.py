"""Downloads: mirrors, checks, and no partial files."""

from __future__ import annotations

import email
import gzip
import http.server
import io
import os
import threading
import urllib.error
import urllib.request
import urllib.response
from time import perf_counter

import pytest

from handnn.datasets import download, load_mnist
from tests.datasets.digits import NAMES, SMALL, assert_is_small, idx


class Server(http.server.ThreadingHTTPServer):
    """Mirrors that work or fail in one way; the first part of the path selects which."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.released = threading.Event()

    def mirror(self, kind):
        return f"http://127.0.0.1:{self.server_port}/{kind}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, kind, name = self.path.split("/")
        self.server.asked.append((kind, name))
        contents = gzip.compress(idx(SMALL[name.removesuffix(".gz")]))
        if kind == "gone":
            self.send_error(404)
            return
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", self.server.mirror("good") + name)
            self.end_headers()
            return
        if kind == "silent":
            self.server.released.wait(20)
            return
        if kind == "other":
            contents = gzip.compress(idx(SMALL[name.removesuffix(".gz")] ^ 1))
        elif kind == "page":
            contents = b"<html>log in first</html>"
        elif kind == "cut":
            contents = contents[:-3]
        elif kind == "endless":
            contents = bytes(1_000_000)
        self.send_response(200)
        if kind != "endless":
            self.send_header("Content-Length", str(len(contents) + (kind == "short")))
        self.end_headers()
        self.wfile.write(contents)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(small, monkeypatch):
    """Serve the mirrors on the loopback interface over http, and let the opener accept that."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        https_only = download._opener

        def opener():
            opener = https_only()
            opener.add_handler(urllib.request.HTTPHandler())
            return opener

        monkeypatch.setattr(download, "_opener", opener)
        monkeypatch.setattr(download, "MIRRORS", [server.mirror("good")])
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def test_downloads_only_missing_files(server, folder):
    for name in NAMES[1:3]:
        (folder / f"{name}.gz").unlink()
    (folder / NAMES[1]).write_bytes(idx(SMALL[NAMES[1]]))
    assert_is_small(load_mnist(folder, download=True))
    assert server.asked == [("good", f"{NAMES[2]}.gz")]
    server.asked.clear()
    assert_is_small(load_mnist(folder, download=True))
    assert not server.asked


def test_creates_the_folder_with_the_four_files(server, tmp_path):
    place = tmp_path / "new" / "mnist"
    assert_is_small(load_mnist(place, download=True))
    assert sorted(path.name for path in place.iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    assert_is_small(load_mnist(place))


def test_does_not_download_by_default(server, tmp_path):
    with pytest.raises(FileNotFoundError):
        load_mnist(tmp_path)
    assert not server.asked


@pytest.mark.parametrize("kind", ["gone", "short", "silent", "endless"])
def test_falls_back_to_the_second_mirror(server, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    monkeypatch.setattr(download, "MIRRORS", [server.mirror(kind), server.mirror("good")])
    assert_is_small(load_mnist(tmp_path, download=True))
    assert [asked for asked, _ in server.asked] == [kind, "good"] * 4


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("gone", "HTTP Error 404"),
        ("short", r"announced \d+ bytes and sent \d+|IncompleteRead"),
        ("silent", "timed out"),
        ("endless", "sends more than 65624 bytes"),
    ],
)
def test_failure_of_all_mirrors_is_an_error_and_leaves_no_file(
    server, tmp_path, monkeypatch, kind, message
):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    monkeypatch.setattr(download, "MIRRORS", [server.mirror(kind)])
    start = perf_counter()
    with pytest.raises(OSError, match=rf"{NAMES[0]}\.gz could not be .*/{kind}/: .*({message})"):
        load_mnist(tmp_path / "new", download=True)
    assert perf_counter() - start < 10  # the silent mirror closes after 20 seconds
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("other", "SHA-256 checksum [0-9a-f]{64} when unpacked, but has [0-9a-f]{64}"),
        ("page", "is not valid: damaged gzip data"),
        ("cut", "is not valid: truncated gzip data"),
    ],
)
def test_invalid_download_is_a_value_error_and_leaves_no_file(
    server, tmp_path, monkeypatch, kind, message
):
    monkeypatch.setattr(download, "MIRRORS", [server.mirror(kind), server.mirror("good")])
    with pytest.raises(ValueError, match=rf"{NAMES[0]}\.gz .*{message}"):
        load_mnist(tmp_path, download=True)
    assert not list(tmp_path.iterdir())
    assert len(server.asked) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_failed_write_leaves_no_file(server, tmp_path, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(error if isinstance(error, type) else OSError):
        load_mnist(tmp_path, download=True)
    assert not list(tmp_path.iterdir())


def test_follows_redirects(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MIRRORS", [server.mirror("moved")])
    assert_is_small(load_mnist(tmp_path, download=True))


def test_mirrors_use_https():
    assert len(download.MIRRORS) == 2
    assert all(mirror.startswith("https://") for mirror in download.MIRRORS)


@pytest.mark.parametrize("variable", [None, "http_proxy", "all_proxy"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "ftp://127.0.0.1/", "file:///"])
def test_opens_only_https(monkeypatch, address, variable):
    if variable:
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(urllib.error.URLError, match="unknown url type"):
        download._opener().open(address, timeout=1)


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/", "ftp://127.0.0.1/", "file:///"])
def test_rejects_redirects_away_from_https(location):
    class Redirect(urllib.request.BaseHandler):
        handler_order = 1

        def https_open(self, request):
            headers = email.message_from_string(f"Location: {location}\n\n")
            response = urllib.response.addinfourl(io.BytesIO(), headers, request.full_url, 302)
            response.msg = "Found"
            return response

    opener = download._opener()
    opener.add_handler(Redirect())
    with pytest.raises(urllib.error.URLError, match="unknown url type|is not allowed") as caught:
        opener.open("https://127.0.0.1:9/", timeout=1)
    if isinstance(caught.value, urllib.error.HTTPError):
        caught.value.close()
