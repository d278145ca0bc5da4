"""The page and its requests, on 127.0.0.1 only and for one user."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from handnn.play.given import Given
from handnn.play.laboratory import Laboratory
from handnn.play.parts import PARTS, TYPES
from handnn.play.streaming import Frames

HOST = "127.0.0.1"

MAX_REQUEST = 256 * 1024
"""The largest size of a request in bytes, except for a table."""

MAX_TABLE = 20 * 1024**2
"""The largest size in bytes of a table that is dropped on the page."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
"""The content security policy: no inline script or style, no eval, and nothing from other origins.
The origins that may embed the page follow."""

NOTEBOOKS = "http://localhost:* http://127.0.0.1:* https://localhost:* vscode-webview:"
"""The origins of notebooks on this machine, whose pages may embed the laboratory."""

HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

TOKEN = "x-handnn-token"

LOG = logging.getLogger(__name__)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class TooLarge(Exception):
    """Raised for a request that exceeds its largest size."""


class Gate:
    """Accept only requests of the page: exact Host, exact Origin and the token, else 403.

    The page and its files require only the exact Host, because they contain no secrets.
    """

    def __init__(self, port: int, token: str) -> None:
        self._host = f"{HOST}:{port}"
        self._token = token

    def allows(self, request: Request) -> bool:
        """Return whether a request may be answered."""
        headers = request.headers
        if headers.getlist("host") != [self._host]:
            return False
        origins = headers.getlist("origin")
        if request.method == "GET":
            return not origins or origins == [f"http://{self._host}"]
        given = headers.get(TOKEN, "")
        is_own = origins == [f"http://{self._host}"]
        return is_own and hmac.compare_digest(given.encode(), self._token.encode())


def _guard(
    gate: Gate, headers: Mapping[str, str], describe: Callable[[Exception], str]
) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator for endpoints: the gate before them, errors as JSON, and headers."""

    def guarded(answer: Endpoint) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            if not gate.allows(request):
                return JSONResponse({"error": "forbidden"}, 403, headers)
            try:
                response = await answer(request)
            except TooLarge as error:
                response = JSONResponse({"error": str(error)}, 413)
            except ClientDisconnect:  # nobody reads the response
                response = Response(status_code=400)
            except (ValueError, TypeError, ImportError, OSError) as error:
                response = JSONResponse({"error": describe(error)}, 400)
            except Exception as error:
                LOG.exception("handnn play: %s", request.url.path)
                response = JSONResponse({"error": f"{type(error).__name__}: {error}"}, 500)
            response.headers.update(headers)
            return response

        return endpoint

    return guarded


def create_app(
    laboratory: Laboratory,
    port: int,
    token: str,
    embedders: str = "'none'",
    is_ending: Callable[[], bool] = lambda: False,
) -> Starlette:
    """Return the application that serves the page of a laboratory.

    embedders: the origins of pages that may embed it, as in a content security policy. is_ending:
    whether the server ends, and with it the streams of frames.
    """
    gate = Gate(port, token)
    common = {**HEADERS, "content-security-policy": POLICY + embedders}

    guarded = _guard(gate, common, laboratory.described)

    async def page(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        return Response(PARTS[name], media_type=TYPES[Path(name).suffix]) if name in PARTS else (
            JSONResponse({"error": "not found"}, 404)
        )  # fmt: skip

    async def ask(request: Request) -> Response:
        answer = laboratory.requests.get(request.path_params["name"])
        if answer is None:
            return JSONResponse({"error": "not found"}, 404)
        document = _document(await body(request, MAX_REQUEST))
        return JSONResponse(await run_in_threadpool(answer, document))

    async def frames(request: Request) -> Response:
        found = laboratory.frames(_document(await body(request, MAX_REQUEST)))
        lines = _lines(found, request, is_ending)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    async def upload(request: Request) -> Response:
        name = unquote(request.headers.get("x-handnn-name", "table.csv"))
        content = await _file(request)
        return JSONResponse(await run_in_threadpool(laboratory.upload, name, content))

    async def download(request: Request) -> Response:
        form: str = request.path_params["form"]
        name, content = await run_in_threadpool(laboratory.download, form)
        return Response(
            content,
            media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    return Starlette(
        routes=[
            Route("/", guarded(page)),
            Route("/page/{name}", guarded(page)),
            Route("/api/frames", guarded(frames), methods=["POST"]),
            Route("/api/upload", guarded(upload), methods=["POST"]),
            Route("/api/download/{form}", guarded(download), methods=["POST"]),
            Route("/api/{name}", guarded(ask), methods=["POST"]),
        ]
    )


async def _lines(
    frames: Frames, request: Request, is_ending: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield frames as lines of JSON until the page or the server ends."""
    while not (is_ending() or await request.is_disconnected()):
        try:
            line = await run_in_threadpool(frames.next)
        except Exception as error:
            LOG.exception("handnn play: a frame")
            yield json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n"
            return
        if line is not None:
            yield line
        await asyncio.sleep(frames.pause)


def _document(content: bytes) -> dict[str, object]:
    """Return the JSON object of a request; ValueError if it is not one."""
    try:
        document: object = json.loads(content or b"{}")
    except RecursionError:
        raise ValueError("the JSON of a request is nested too deeply") from None
    except ValueError:  # also of text that is not Unicode, and of integers of 4,300 digits
        raise ValueError("a request must be valid JSON") from None
    if not isinstance(document, dict):
        raise ValueError("a request must be a JSON object")
    return document


async def body(request: Request, limit: int) -> bytes:
    """Return the body of a request; TooLarge if it has more than `limit` bytes."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise TooLarge(f"a request may have at most {limit:,} bytes")
    return bytes(content)


async def _file(request: Request) -> bytes:
    """Return a file that is dropped on the page; TooLarge with advice."""
    try:
        return await body(request, MAX_TABLE)
    except TooLarge:
        size = MAX_TABLE // 1024**2
        raise TooLarge(
            f"the file has more than {size} MB; train on larger ones with handnn train"
        ) from None


class Server:
    """A laboratory on a port of this machine.

    path, target: the initial table. port: 0 for any free port. lesson: the name of the
    lesson to open. given: a training of the user, whose page notebooks may embed.

    Raises OSError if the port is taken, and what `Laboratory` raises.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        target: str = "",
        port: int = 0,
        lesson: str = "",
        given: Given | None = None,
    ) -> None:
        self.lesson = lesson
        # asyncio turns Nagle's delay of up to 40 ms off only for sockets that name their protocol
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name != "nt":  # on systems where it lets two programs share a port
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
            self.laboratory = Laboratory(path, target, given)
            self._socket.listen()  # a page that is opened before `run` serves waits for it
        except BaseException:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        embedders = NOTEBOOKS if given else "'none'"
        app = create_app(
            self.laboratory, self.port, self.token, embedders, lambda: self._server.should_exit
        )
        config = uvicorn.Config(
            app,
            log_level="critical",  # requests that Ctrl-C cuts off are not errors
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """The address of the page, with the token in its fragment."""
        lesson = f"&lesson={self.lesson}" if self.lesson else ""
        return f"http://{HOST}:{self.port}/#token={self.token}{lesson}"

    def run(self) -> None:
        """Serve until `stop` is called, or Ctrl-C in the main thread."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self.laboratory.close()
            self._socket.close()

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._server.should_exit = True
