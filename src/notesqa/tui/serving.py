"""The terminal UI in a browser on this machine.

textual-serve runs the app and carries it over a websocket. Here it is closed to
everyone else: it listens on 127.0.0.1 alone, wants a secret from the address once
and then a cookie, knows no other host name (a page elsewhere could have one that
resolves to this machine) and no other origin, and its page loads nothing from
outside, which textual-serve's own does.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import logging
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable
from string import Template

from aiohttp import web
from aiohttp.typedefs import Middleware
from textual_serve.server import Server

from notesqa.config import Home, Settings
from notesqa.errors import ConfigError

HOST = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PAGE = Template("""<!doctype html>
<html lang="zh">
<meta charset="utf-8">
<title>notesqa</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/css/xterm.css">
<style>
  @font-face {
    font-family: "Roboto Mono"; font-weight: 100 700;
    src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf");
  }
  html, body { margin: 0; height: 100%; background: #0e1413; }
  .textual-terminal { opacity: 0; height: 100vh; }
  body.-first-byte .textual-terminal { opacity: 1; }
  .notice {
    position: absolute; inset: 0; display: grid; place-items: center; z-index: 9;
    font: 16px "Roboto Mono", monospace; color: #6fcfae; background: #0e1413;
  }
  .notice a { color: inherit; }
  body.-first-byte .opening, body:not(.-closed) .closed { display: none; }
</style>
<body>
<div class="notice opening">INCOMING TRANSMISSION</div>
<div class="notice closed"><a href="/">END OF TRANSMISSION · reopen</a></div>
<div id="terminal" class="textual-terminal"
     data-session-websocket-url="$websocket" data-font-size="$size"></div>
<script src="/static/js/textual.js"></script>
</body>
</html>
""")


class NotesServer(Server):
    """textual-serve for one person on one machine."""

    def __init__(self, home: Home, port: int, token: str) -> None:
        """`token` is the secret of the address."""
        command = f"{shlex.quote(sys.executable)} -m notesqa.tui {shlex.quote(str(home.path))}"
        super().__init__(command, host=HOST, port=port, title="notesqa")
        self._token = token
        self._session = secrets.token_urlsafe(32)
        self._cookie = f"notesqa-{port}"

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"{self.public_url}/?token={self._token}"

    def serve_at(self, listening: socket.socket) -> None:
        """As `serve`, on a socket that listens already, so that its port is known and ours."""
        self.initialize_logging()
        web.run_app(self._make_app(), sock=listening, print=None)

    def initialize_logging(self) -> None:
        """Only what went wrong, on stderr."""
        logging.basicConfig(level=logging.ERROR, stream=sys.stderr)

    async def on_startup(self, app: web.Application) -> None:
        """Say where it is."""
        del app
        print(f"notesqa: {self.address}\n  Ctrl+C ends it", file=sys.stderr, flush=True)  # noqa: T201

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    @property
    def _guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            hosts = {f"{name}:{self.port}" for name in (HOST, "localhost")}
            if request.host not in hosts:
                raise web.HTTPForbidden(text="another host name\n")
            origin = request.headers.get("Origin")
            if origin is not None and origin != f"http://{request.host}":
                raise web.HTTPForbidden(text="another origin\n")
            if request.path == "/" and "token" in request.query:
                return self._enter(request)
            if not _same(request.cookies.get(self._cookie, ""), self._session):
                raise web.HTTPForbidden(text="open the address that notesqa serve printed\n")
            if request.path == "/ws" and origin is None:
                raise web.HTTPForbidden(text="no origin\n")
            response = await handler(request)
            if not response.prepared:
                response.headers.update(self._headers())
            return response

        return guard

    def _enter(self, request: web.Request) -> web.StreamResponse:
        """The secret for a cookie, so that it stays in no address and no history."""
        if not _same(request.query["token"], self._token):
            raise web.HTTPForbidden(text="wrong token\n")
        response = web.Response(status=303, headers={"Location": "/", **self._headers()})
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="Strict", path="/")
        return response

    def _headers(self) -> dict[str, str]:
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
            "font-src 'self' data:; img-src 'self' data:; "
            f"connect-src 'self' ws://{HOST}:{self.port} ws://localhost:{self.port}; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """The page that holds the terminal."""
        size = 16
        with contextlib.suppress(ValueError):
            size = min(40, max(8, int(request.query.get("fontsize", "16"))))
        page = _PAGE.substitute(websocket=f"ws://{request.host}/ws", size=size)
        return web.Response(text=page, content_type="text/html")


def _same(given: str, known: str) -> bool:
    """Whether two secrets are equal, in a time that tells nothing about them."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())


def serve(home: Home, settings: Settings, port: int) -> int:
    """Serve until interrupted.

    Raises:
        ConfigError: the port is taken, not allowed, or no port.
    """
    del settings  # the served process reads them itself
    with _listening(port) as listening:
        taken = listening.getsockname()[1]  # another one than 0, which asks for any
        NotesServer(home, taken, secrets.token_urlsafe(16)).serve_at(listening)
    return 0


def _listening(port: int) -> socket.socket:
    found = socket.socket()
    try:
        if os.name == "posix":
            # Else a port stays taken for a minute after it was last used.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
        found.listen()
    except (OSError, OverflowError) as error:
        found.close()
        if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        reason = getattr(error, "strerror", None) or "ports go from 0 to 65535"
        raise ConfigError(
            f"port {port} cannot be used: {reason}", "name another with --port"
        ) from error
    return found
