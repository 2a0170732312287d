"""Everything that reaches into gradio's private parts, which another minor version may change.

Tried with gradio 6.31; tests/page/test_gradio_internals.py says which part an upgrade broke. What is used: the queue's
`push`, `get_events`, `process_events` and `clean_events`; the blocks' `preprocess_data` and `postprocess_data`; the
sessions of the state holder; the request of a running handler; the folder of temporary files; the MCP server.
"""

import asyncio
import datetime
import errno
import logging
import os
from collections import OrderedDict
from collections.abc import Iterator
from copy import copy
from functools import partial
from pathlib import Path

import gradio as gr
import gradio.mcp
import gradio.route_utils
import gradio.routes
from gradio.context import LocalContext
from gradio.processing_utils import save_bytes_to_cache
from gradio.queueing import Event, Queue
from gradio.server_messages import ProcessCompletedMessage
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import get_upload_folder

from page.admission import LIMITS, Job, Visitor, next_job, refusal
from page.turns import Turns
from zsad_core.archives import MAX_IMAGES
from zsad_core.good_parts import MOST

MAX_FILES = 2 * MAX_IMAGES + MOST + 2  # that one call may name: /batch takes three lists and a detector
MAILBOXES = 2000  # sessions that messages are kept for
UNREAD, UNREAD_REFUSALS = 3000, 100  # messages in a mailbox
DISK_FULL = "The server’s disk is full, so nothing can be written: try again later, or tell who runs this page."

log = logging.getLogger(__name__)


class Page(gr.Blocks):
    """Blocks whose queue is fair, and that answer with a sentence where a value does not even reach a handler.

    Attributes:
        turns: at computing; see `turns.Turns`; None where all compute at once.
        when_gone: called with the session of a visitor who has hung up.
        tidy: called now and then.
    """

    def __init__(self, turns: Turns | None, **options):
        self.turns = turns
        self.when_gone, self.tidy = lambda session: None, lambda: None
        super().__init__(**options)

    def queue(self, **options):
        super().queue(**options)
        self._queue.__class__ = FairQueue
        self._queue.pending_messages_per_session = {}
        self._queue.sleep_when_free = 0.01  # seconds; one that waits for its visitor's own job is asked each time
        return self

    async def preprocess_data(self, block_fn, inputs, *arguments, **named):
        if _count_files(inputs) > MAX_FILES:
            raise gr.Error(
                f"There are over {MAX_FILES:,} files in one call: score them in several parts, or as a zip.",
                print_exception=False,
            )
        if block_fn.api_visibility == "public":  # a call by position may be older than the last parameters
            inputs = [*inputs, *(block.value for block in block_fn.inputs[len(inputs) :])]
        else:
            inputs = _still_to_choose(block_fn.inputs, inputs, *arguments, **named)
        try:
            return await super().preprocess_data(block_fn, inputs, *arguments, **named)
        except gr.Error:
            raise
        except Exception as error:  # without this, whoever calls an endpoint is told nothing at all
            log.info("A value was refused", exc_info=error)
            raise gr.Error(
                DISK_FULL
                if is_full_disk(error)
                else "A value is missing or of the wrong type. A file must be uploaded first: a path "
                "or an address is not opened. See “Use via API” at the foot of the page.",
                print_exception=False,
            ) from error

    async def postprocess_data(self, *arguments, **named):
        try:
            return await super().postprocess_data(*arguments, **named)
        except OSError as error:
            if is_full_disk(error):
                raise gr.Error(DISK_FULL, print_exception=False) from error
            raise

    def forget_session(self, session: str | None) -> None:
        """A visitor's detectors and photos go now; by itself gradio keeps them for another hour."""
        self.state_holder.session_data.pop(session, None)
        self.state_holder.time_last_used.pop(session, None)

    def forget_idle_sessions(self, seconds: float) -> None:
        """Those go that nobody has used for so long and that no tab holds open."""
        before = datetime.datetime.now() - datetime.timedelta(seconds=seconds)
        holder = self.state_holder
        for session, last_used in list(holder.time_last_used.items()):
            if last_used < before and session not in holder.open_tabs:
                self.forget_session(session)

    def kept_files(self) -> set[Path]:
        """The files that belong to the page itself and not to a visitor."""
        return {Path(file) for block in self.blocks.values() for file in getattr(block, "keep_in_cache", ())}


class FairQueue(Queue):
    """A queue that counts what each visitor and address has in it; see `admission`.

    Whoever is refused gets the sentence as the answer to the call, as if a handler had raised it. A queued listener of
    the page runs once at a time in each tab, and so do those that change one state: of two changes within a moment, the
    older would else be answered last, or one of them be lost.
    """

    async def push(self, body, request, username):
        fn = self.blocks.fns.get(body.fn_index)
        if fn is None:
            return False, "There is no endpoint of that number.", "error"
        self._clear_mailboxes()
        job = Job(visitor_of(request, body.session_hash), _kind(fn))
        sentence = refusal(job, map(_job, self._all_events()))
        if sentence is None:
            if body.session_hash:
                self.blocks.state_holder.seen(body.session_hash, job.visitor.address)
            return await super().push(body, request, username)
        refused = Event(body.session_hash, fn, request, username)
        mailbox = self.pending_messages_per_session.setdefault(refused.session_hash, asyncio.Queue())
        if mailbox.qsize() > UNREAD_REFUSALS:
            return False, sentence, "queue_full"
        self.pending_event_ids_session.setdefault(refused.session_hash, set()).add(refused._id)
        error = {"error": sentence, "title": "Error", "visible": True, "duration": 10}
        self.send_message(refused, ProcessCompletedMessage(output=error, title="Error", success=False))
        return True, refused._id, "success"

    def send_message(self, event, event_message):
        super().send_message(event, event_message)
        if event.alive and self.pending_messages_per_session[event.session_hash].qsize() > UNREAD:
            event.alive = False  # nobody reads what it says: it ends at its next step

    def _clear_mailboxes(self) -> None:
        """Drops the oldest mailboxes that nobody is there for, where there are too many; gradio drops anybody's."""
        if len(self.pending_messages_per_session) < MAILBOXES:
            return
        there = self.blocks.state_holder.open_tabs | {event.session_hash for event in self._all_events()}
        left = [session for session in self.pending_messages_per_session if session not in there]
        for session in left[: max(1, len(left) // 2)]:
            del self.pending_messages_per_session[session]
            self.pending_event_ids_session.pop(session, None)

    def get_events(self):
        running = [_job(event) for event in self._running()]
        for concurrency_id, jobs in self.event_queue_per_concurrency_id.items():
            if jobs.queue and jobs.current_concurrency < (jobs.concurrency_limit or len(self.active_jobs)):
                able = [event for event in jobs.queue if not any(map(partial(_is_one_after, event), self._running()))]
                if event := next_job(able, running, _job):
                    jobs.queue.remove(event)
                    return [event], False, concurrency_id
        return None

    async def process_events(self, events, *arguments, **named):
        try:
            await super().process_events(events, *arguments, **named)
        finally:
            for event in events:
                if event.session_hash == event._id:  # a call without a session: nobody comes back to its state
                    self.blocks.forget_session(event._id)

    def compute_analytics_summary(self, records):
        return self.cached_event_analytics_summary  # nobody is shown it, and it takes longer the more calls there were

    async def clean_events(self, *, session_hash=None, event_id=None):
        await super().clean_events(session_hash=session_hash, event_id=event_id)
        if session_hash is not None:
            self.blocks.when_gone(session_hash)

    def _running(self) -> list[Event]:
        return [event for events in self.active_jobs if events for event in events]

    def _all_events(self) -> list[Event]:
        waiting = [event for jobs in self.event_queue_per_concurrency_id.values() for event in jobs.queue]
        return waiting + self._running()


def _is_one_after(event: Event, other: Event) -> bool:
    """Whether a tab's call of a listener has to wait for another one: they are of the same listener, or change the same
    state. Calls from outside are each waited for, and their sessions have no state that is changed."""
    mine, theirs = event.fn, other.fn
    if event.session_hash != other.session_hash or {mine.api_visibility, theirs.api_visibility} != {"private"}:
        return False
    return mine is theirs or bool(_changed_by(mine) & _changed_by(theirs))


def _changed_by(fn) -> set[int]:
    """The states that a listener reads and gives anew."""
    read = {block._id for block in fn.inputs if isinstance(block, gr.State)}
    return read & {block._id for block in fn.outputs}


def _kind(fn) -> str:
    return fn.concurrency_id if fn.concurrency_id in LIMITS else "other"


def _job(event: Event) -> Job:
    return Job(visitor_of(event.request, event.session_hash, event._id), _kind(event.fn))


def visitor_of(request, session: str | None, event: str | None = None) -> Visitor:
    """Whose request it is. Calls without a session, which gradio gives that of the event, are one visitor's if they
    come from one address; so are those of tools, which all share one session.
    """
    address = address_of(request.client)
    if session in (None, event) or request.headers.get("x-gradio-user") == "mcp":
        session = f"without a session from {address}"
    return Visitor(session, address)


def address_of(client) -> str:
    """The address of a connection; a proxy's word for it where the server is told to believe that."""
    return client[0] if client else "unknown"


def current_visitor() -> Visitor | None:
    """Who waits for the handler that runs in this thread; None outside of one."""
    request = LocalContext.request.get(None)
    return None if request is None else visitor_of(request, request.session_hash, LocalContext.event_id.get(None))


def current_turns() -> Turns | None:
    """The turns of the page whose handler runs in this thread."""
    return getattr(LocalContext.blocks.get(None), "turns", None)


class Session(SessionState):
    """A visitor's state without the values of all components, which gradio keeps for deep links.

    This page has none, and to gather them takes 10 ms of the server's one loop for each new session.
    """

    def __init__(self, blocks):
        self.blocks_config = copy(blocks.default_config)
        self.config_values, self.state_data, self._state_ttl = {}, {}, {}
        self.is_closed, self.STATE_TTL_WHEN_CLOSED = False, 3600  # seconds

    def __setitem__(self, key, value):
        if isinstance(self.blocks_config.blocks.get(key), gr.State):
            self._state_ttl[key] = self.blocks_config.blocks[key].time_to_live, datetime.datetime.now()
            self.state_data[key] = value
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key):
        pass

    def _update_value_in_config(self, key, value):
        pass


class FairStates(StateHolder):
    """Sessions of which, when there are too many, those of the address that has most go first.

    Attributes:
        open_tabs: sessions whose browser tab or program is still there.
    """

    def __init__(self):
        super().__init__()
        self.open_tabs: set[str] = set()
        self._addresses: OrderedDict[str, str] = OrderedDict()

    def seen(self, session: str, address: str) -> None:
        """A session was used from an address."""
        with self.lock:
            self._addresses[session] = address
            self._addresses.move_to_end(session)
            while len(self._addresses) > 10 * self.capacity:
                self._addresses.popitem(last=False)

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)

    def update(self, session_id: str):
        with self.lock:
            if session_id in self.session_data:
                self.session_data.move_to_end(session_id)
            while len(self.session_data) > self.capacity:
                self._evict(session_id)

    def _evict(self, in_use: str) -> None:
        by_address: dict[str | None, list[str]] = {}
        for session in self.session_data:  # the one that was used longest ago comes first
            if session != in_use:
                by_address.setdefault(self._addresses.get(session), []).append(session)
        most = max(by_address.values(), key=len)
        closed = [session for session in most if session not in self.open_tabs]
        evicted = (closed or most)[0]
        del self.session_data[evicted]
        self.time_last_used.pop(evicted, None)


gradio.routes.StateHolder = FairStates


class Server(gradio.mcp.GradioMCPServer):
    """Gradio's, without three faults of its 6.31: lists of files were refused, several outputs came as one text, and
    all who call tools had the address of this server."""

    def get_input_schema(self, tool_name, parameters=None):
        schema, positions = super().get_input_schema(tool_name, parameters)
        for parameter in schema["properties"].values():
            parameter.pop("$defs", None)
            parameter.get("items", {}).pop("$ref", None)  # it leads nowhere, and what it names is a string here
        return schema, positions

    def convert_strings_to_filedata(self, value, filedata_positions):
        items = [
            [name, index]
            for name, *rest in filedata_positions
            if rest == ["items"]
            for index in range(len(value.get(name) or ()))
        ]
        return super().convert_strings_to_filedata(value, [*filedata_positions, *items])

    def _prepare_tool_call_args(self, name, arguments):
        endpoint, values, headers, fn = super()._prepare_tool_call_args(name, arguments)
        client = self.mcp_server.request_context.request.client
        return endpoint, values, {**headers, "x-forwarded-for": address_of(client)}, fn

    async def _execute_tool_without_progress(self, job):
        (outputs,) = await super()._execute_tool_without_progress(job)
        return list(outputs)


def use_mcp_server() -> None:
    """The MCP server that gradio launches from now on is `Server`."""
    gradio.mcp.GradioMCPServer = Server


def use_folder(folder: Path) -> None:
    """What visitors upload, and what is made for them, lies in this folder from now on."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    for module in (gradio.routes, gradio.route_utils, gradio.mcp):  # each has read the variable already
        module.DEFAULT_TEMP_DIR = str(folder)


def visitor_folder() -> Path:
    """Where files lie that the page may hand out."""
    return Path(get_upload_folder())


def save_for_visitor(data: bytes, name: str) -> str:
    """The path of a new file that the page may hand out."""
    return save_bytes_to_cache(data, name, get_upload_folder())


def is_full_disk(error: BaseException | None) -> bool:
    """Whether this, or what it came from, is a disk or a quota that has no space left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _still_to_choose(blocks: list, inputs: list, state: SessionState | None = None, *_, **__) -> list:
    """The values of a call of the page, but where a switch has lost the choice that was sent, on which gradio would
    fail: the page had not heard of that yet, and is about to show what the session has."""
    values = list(inputs)
    for number, (block, value) in enumerate(zip(blocks, inputs)):
        if isinstance(block, gr.Radio) and state is not None and value is not None:
            now = state[block._id]
            values[number] = value if value in [choice for _, choice in now.choices] else now.value
    return values


def _count_files(value) -> int:
    """References to files in what a client sent, however deep they lie."""
    return sum(1 for one in _nested(value) if isinstance(one, dict) and "path" in one)


def _nested(value) -> Iterator:
    left = [value]
    while left:
        one = left.pop()
        yield one
        if isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, (list, tuple)):
            left.extend(one)
