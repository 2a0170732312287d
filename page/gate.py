"""The door of the server: every request passes it before gradio sees it. What is too much gets a sentence here."""

import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.responses import PlainTextResponse

from page.gradio_internals import DISK_FULL, Page, address_of, is_full_disk

MEGABYTE = 2**20
HOUR = 3600  # seconds, after which what was uploaded is deleted
MAX_CALL = 16 * MEGABYTE  # of a call; its files are uploaded beforehand
MAX_TOOL_CALL = 64 * MEGABYTE  # of a tool's call, which holds its images
UPLOADS = 2048 * MEGABYTE  # from one address within an hour
EVERY_FILE = 16 * 1024  # bytes that a file counts for beside its own
# Ways into gradio that this page has no use for: each keeps, computes or fetches something that nobody counts.
CLOSED = re.compile(
    r"(/gradio_api)?/(stream/|process_recording|component_server|deep_link|run-history/|vibe|proxy=|file[=/]https?:"
    r"|monitoring)",
    re.IGNORECASE,
)
HEARTBEAT = re.compile(r"/gradio_api/heartbeat/([^/]+)")


class Gate:
    """An ASGI application in front of another one, `app`; `page` is told which tabs are open."""

    def __init__(self, app: Callable[..., Awaitable], page: Page):
        self._app, self._page, self._uploads = app, page, Uploads()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path, address = scope["path"].removeprefix(scope.get("root_path", "")), address_of(scope.get("client"))
        if CLOSED.match(path):
            return await PlainTextResponse("This page has no such address.", 404)(scope, receive, send)
        if tab := HEARTBEAT.match(path):
            return await self._hold_open(tab[1], address, scope, receive, send)
        if scope["method"] != "POST":
            return await self._app(scope, receive, send)
        if path.startswith("/gradio_api/upload"):
            body = _Body(receive, lambda chunk: self._uploads.refusal(address, chunk))
        else:
            body = _Body(receive, _Most(MAX_TOOL_CALL if path.startswith("/gradio_api/mcp") else MAX_CALL))
        await self._answer(body, scope, send)

    async def _hold_open(self, session: str, address: str, scope, receive, send):
        states = self._page.state_holder
        states.seen(session, address)
        states.open_tabs.add(session)
        try:
            await self._app(scope, receive, send)
        finally:
            states.open_tabs.discard(session)

    async def _answer(self, body: "_Body", scope, send):
        """The answer of the application, or the sentence of a body that it was not let read."""
        started = False

        async def watched(message):
            nonlocal started
            if started or body.sentence is None:
                started = True
                await send(message)

        try:
            await self._app(scope, body, watched)
        except Exception as error:
            if started or not (body.sentence or is_full_disk(error)):
                raise
        if not started:
            status = 413 if body.sentence else 507
            await PlainTextResponse(body.sentence or DISK_FULL, status)(scope, body, send)


class _Body:
    """What a client sends. Where `refusal` has a sentence about a chunk of it, nothing more is read.

    Attributes:
        sentence: why not; None while all is well.
    """

    def __init__(self, receive: Callable[[], Awaitable[dict]], refusal: Callable[[bytes], str | None]):
        self._receive, self._refusal, self.sentence = receive, refusal, None

    async def __call__(self) -> dict:
        message = await self._receive()
        if self.sentence is None:
            self.sentence = self._refusal(message.get("body", b""))
        if self.sentence is not None:
            raise _Refused(self.sentence)
        return message


class _Refused(Exception):
    """A body is not read on."""


class _Most:
    """Lets a body of so many bytes pass."""

    def __init__(self, most: int):
        self._most, self._left = most, most

    def __call__(self, chunk: bytes) -> str | None:
        self._left -= len(chunk)
        if self._left >= 0:
            return None
        return f"The call is over {self._most // MEGABYTE} MB: upload its files first, and name them in the call."


class Uploads:
    """What was uploaded within the last hour, by address."""

    def __init__(self):
        self._lock, self._sizes = threading.Lock(), Counter()

    def refusal(self, address: str, chunk: bytes) -> str | None:
        """Counts a chunk of an upload; why it is too much, in a sentence, or None."""
        minute = int(time.monotonic() // 60)
        with self._lock:
            for key in [key for key in self._sizes if key[1] < minute - HOUR // 60]:
                del self._sizes[key]
            size = len(chunk) + EVERY_FILE * chunk.count(b"filename=")
            if sum(size for (whose, _), size in self._sizes.items() if whose == address) + size > UPLOADS:
                return (f"From your network address over {UPLOADS // MEGABYTE:,} MB were uploaded within an hour: try "
                        "again later.")  # fmt: skip
            self._sizes[address, minute] += size
        return None
