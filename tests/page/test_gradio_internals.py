"""A canary: says which private part of gradio an upgrade has changed, and which promise of the page hangs on it."""

import inspect
from types import SimpleNamespace

import gradio
import gradio.mcp
import gradio.routes
import pytest
from gradio.blocks import Blocks
from gradio.context import LocalContext
from gradio.queueing import Event, EventQueue, Queue
from gradio.state_holder import SessionState, StateHolder

from page import gradio_internals

PARTS = {
    Queue.push: ("self", "body", "request", "username"),
    Queue.get_events: ("self",),
    Queue.process_events: ("self", "events", "batch", "begin_time", "fn"),
    Queue.clean_events: ("self", "session_hash", "event_id"),
    Queue.send_message: ("self", "event", "event_message"),
    Queue.compute_analytics_summary: ("self", "records"),
    Event.__init__: ("self", "session_hash", "fn", "request", "username"),
    Blocks.preprocess_data: ("self", "block_fn", "inputs", "state", "explicit_call"),
    Blocks.postprocess_data: ("self", "block_fn", "predictions", "state"),
    StateHolder.update: ("self", "session_id"),
    SessionState.__init__: ("self", "blocks"),
    SessionState._update_config: ("self", "key"),
    SessionState._update_value_in_config: ("self", "key", "value"),
    gradio.mcp.GradioMCPServer.get_input_schema: ("self", "tool_name", "parameters"),
    gradio.mcp.GradioMCPServer.convert_strings_to_filedata: ("self", "value", "filedata_positions"),
    gradio.mcp.GradioMCPServer._prepare_tool_call_args: ("self", "name", "arguments"),
    gradio.mcp.GradioMCPServer._execute_tool_without_progress: ("self", "job"),
}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__qualname__)
def test_the_part_takes_what_it_took_in_gradio_6_31(part):
    found = tuple(inspect.signature(part).parameters)
    assert found == PARTS[part], f"gradio {gradio.__version__} changed {part.__qualname__}: see gradio_internals.py"


def test_the_attributes_are_those_of_gradio_6_31(tiny_page):
    queue, session = tiny_page._queue, SessionState(tiny_page)
    for name in ("active_jobs", "event_queue_per_concurrency_id", "pending_messages_per_session",
                 "pending_event_ids_session", "event_ids_to_events", "sleep_when_free"):  # fmt: skip
        assert hasattr(queue, name), f"gradio's queue has no {name} any more"
    assert vars(session).keys() == vars(gradio_internals.Session(tiny_page)).keys()
    assert {"request", "event_id", "blocks"} <= vars(LocalContext).keys()
    for module in (gradio.routes, gradio.route_utils, gradio.mcp):
        assert hasattr(module, "DEFAULT_TEMP_DIR")


def test_the_queue_and_the_sessions_of_a_page_are_ours(tiny_page):
    assert isinstance(tiny_page._queue, gradio_internals.FairQueue)
    assert isinstance(tiny_page.app.state_holder, gradio_internals.FairStates)


def test_an_address_with_many_sessions_loses_its_own_first(tiny_page):
    states = gradio_internals.FairStates()
    states.blocks, states.capacity = tiny_page, 8
    for session, address in (("honest", "10.0.0.1"), *((f"greedy {number}", "10.0.0.2") for number in range(50))):
        states.seen(session, address)
        assert states[session] is states[session]
    assert "honest" in states and len(states.session_data) == 8


def test_an_idle_session_goes_unless_its_tab_is_open(tiny_page):
    states = tiny_page.state_holder
    states["closed"], states["open"]
    states.open_tabs.add("open")
    tiny_page.forget_idle_sessions(3600)
    assert {"closed", "open"} <= states.session_data.keys()
    tiny_page.forget_idle_sessions(-1)
    assert "open" in states and "closed" not in states


def test_a_listener_runs_once_at_a_time_in_a_tab_and_calls_from_outside_side_by_side():
    with gradio_internals.Page(None) as page:
        once, button, state = {"concurrency_id": "scoring", "concurrency_limit": 8}, gradio.Button(), gradio.State()
        for visibility in ("private", "public"):
            button.click(lambda: None, api_visibility=visibility, **once)
        for _ in range(2):
            button.click(lambda value: value, state, state, api_visibility="private", **once)
        button.click(lambda value: None, state, None, api_visibility="private", **once)
    queue = page.queue()._queue
    queue.active_jobs = [None] * 8
    listener, endpoint, adding, removing, reading = page.fns.values()
    request = SimpleNamespace(client=("10.0.0.1", 1), headers={})
    asked = [("tab", listener), ("tab", listener), ("another tab", listener), ("tab", endpoint), ("tab", endpoint)]
    asked += [("third tab", fn) for fn in (adding, removing, reading)]  # the first two change one state
    events = [Event(session, fn, request, None) for session, fn in asked]
    queue.event_queue_per_concurrency_id["scoring"] = waiting = EventQueue("scoring", 8)
    waiting.queue = list(events)

    started = []
    while found := queue.get_events():
        started += found[0]
        queue.active_jobs[len(started)] = found[0]
    assert sorted(map(events.index, started)) == [0, 2, 3, 4, 5, 7]
    for answered, next_one in ((0, 1), (5, 6)):
        queue.active_jobs[1 + started.index(events[answered])] = None
        assert queue.get_events()[0] == [events[next_one]]


@pytest.fixture
def tiny_page():
    with gradio_internals.Page(None) as page:
        gradio.State(0)
    return page


def test_a_choice_that_a_switch_has_just_lost_is_taken_as_what_the_session_shows():
    with gradio.Blocks() as demo:
        switch = gradio.Radio(["ours", "clip", "memory"], value="memory")
    state = SessionState(demo)
    state[switch._id] = gradio.Radio(["ours", "clip"], value="ours", render=False)
    assert gradio_internals._still_to_choose([switch, switch], ["memory", "clip"], state) == ["ours", "clip"]
