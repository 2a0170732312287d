"""The endpoints as tools of an MCP server, through a client of the protocol."""

import asyncio
import base64
import sys

import httpx
import jsonschema
import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from serving import serving

import app
from page.api import Api
from page.batch_endpoint import BatchEndpoint

pytestmark = pytest.mark.slow

HANDLERS = {
    "train": Api.train,
    "inspect": Api.inspect,
    "looks": Api.looks,
    "sweep": Api.sweep,
    "batch": BatchEndpoint.batch,
}
DAMAGED, INTACT = (app.ASSETS / "samples/metal-nut" / f"{state}.jpg" for state in ("damaged", "intact"))
SECRET = "/etc/hostname"


@pytest.fixture(scope="module")
def offering(embedded):
    """The address of a page that is an MCP server too."""
    with serving(embedded, mcp=True) as address:
        yield address


@pytest.fixture(scope="module")
def tools(offering):
    return {tool.name: tool for tool in ask(offering, lambda session: session.list_tools()).tools}


@pytest.fixture
def call(offering):
    """Calls a tool by its name; gives its result."""
    return lambda name, **arguments: ask(offering, lambda session: session.call_tool(name, arguments))


def ask(address, question):
    """What an MCP client gets from a server."""

    async def answer():
        async with streamable_http_client(f"{address}gradio_api/mcp/") as (reading, writing, _):
            async with ClientSession(reading, writing) as session:
                await session.initialize()
                return await question(session)

    return asyncio.run(answer())


def as_data(path):
    """An image as a client passes it that has no web server."""
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


def test_the_named_endpoints_and_nothing_else_are_tools(tools):
    assert set(tools) == set(HANDLERS)
    for name, handler in HANDLERS.items():
        assert tools[name].description.startswith(handler.__doc__.splitlines()[0])
        properties = tools[name].inputSchema["properties"]
        assert [parameter for parameter, schema in properties.items() if not schema["description"]] == []


def test_inspect_gives_the_scores_of_the_endpoint_and_both_pictures(offering, call):
    result = call("inspect", image=as_data(DAMAGED), product="metal nut", blur=3)
    clean, blurred, verdict, *_ = Client(offering, verbose=False).predict(
        handle_file(DAMAGED), "metal nut", blur=3, api_name="/inspect"
    )
    texts = [part.text for part in result.content if part.type == "text"]
    assert [float(text) for text in texts[:2]] == pytest.approx([clean, blurred], abs=1e-5)
    assert texts[2] == verdict
    assert [part.mimeType for part in result.content if part.type == "image"] == ["image/png"] * 2


def test_batch_takes_a_list_of_images(tools, call):
    images = [as_data(DAMAGED), as_data(INTACT)]
    jsonschema.validate({"images": images}, tools["batch"].inputSchema)
    result = call("batch", images=images)
    assert not result.isError and result.content[0].text.count("'overlay'") == 2


def test_train_gives_a_file_for_the_others(call):
    result = call("train", product="bolt", steps=2)
    assert "'product': 'bolt'" in result.content[0].text and result.content[1].text.endswith("bolt.safetensors")


@pytest.mark.parametrize("file", [SECRET, {"path": SECRET, "meta": {"_type": "gradio.FileData"}}], ids=("path", "data"))
def test_a_path_on_the_server_is_not_opened(call, file):
    for result in (call("inspect", image=file), call("batch", images=[file]), call("train", product="nut", seed=file)):
        assert result.isError


def test_a_wrong_value_gets_the_sentence_of_the_endpoint(call):
    result = call("inspect", image=as_data(DAMAGED), blur=99)
    assert result.isError and "severity 99 of blur" in result.content[0].text


def test_there_is_no_mcp_server_unless_asked_for(address, offering):
    statuses = [httpx.get(f"{page}gradio_api/mcp/schema").status_code for page in (address, offering)]
    assert statuses == [404, 200]


def test_the_flag_without_the_package_gets_a_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert app.main(["--mcp"]) == 1
    assert 'pip install "gradio[mcp]"' in capsys.readouterr().err
