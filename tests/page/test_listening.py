"""Where the page listens: ports, IPv6, behind proxies of either direction."""

import json
import os
import socket
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import expect
from reverse_proxy import served_under
from serving import scale, serving

import app
from page.listening import ask_directly, check_port, port_of, root_path, server_name
from page.load.server import running_app
from zsad_core.errors import InputError

DAMAGED = app.ASSETS / "samples/metal-nut/damaged.jpg"
NOBODY = "http://127.0.0.1:9"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """The test's own environment, given back as it was."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in PROXIES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "All_Proxy"])
def test_this_machine_is_not_asked_through_a_proxy(variable):
    os.environ |= {variable: NOBODY, "NO_PROXY": "example.org, 10.0.0.0/8"}
    ask_directly("[fd00::7]")
    for name in ("no_proxy", "NO_PROXY"):
        assert os.environ[name] == "example.org,10.0.0.0/8,localhost,127.0.0.1,::1,fd00::7"
    assert os.environ[variable] == NOBODY


def test_without_a_proxy_nothing_is_set():
    ask_directly()
    assert not {name.lower() for name in os.environ} & set(PROXIES)


def test_the_systems_own_proxy_stays_in_use(monkeypatch):
    """Windows and macOS keep proxies in their settings, which count only while no variable is set."""
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy.example:3128"})
    ask_directly()
    assert os.environ["https_proxy"] == "http://proxy.example:3128" and "localhost" in os.environ["no_proxy"]


@pytest.mark.parametrize("address", ["socks4://127.0.0.1:9", "ftp://secret@127.0.0.1:9", "http://[::"])
def test_a_proxy_of_an_unknown_kind_is_left_out_with_a_sentence(address, capsys):
    os.environ |= {"ALL_PROXY": address, "http_proxy": NOBODY}
    ask_directly()
    told = capsys.readouterr().err
    assert told.startswith("ALL_PROXY names a proxy of an unknown kind") and "secret" not in told
    assert "ALL_PROXY" not in os.environ and os.environ["http_proxy"] == NOBODY


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "", "٣", "1e3", "8" * 5000])
def test_what_is_no_port_gets_a_sentence(text):
    with pytest.raises(InputError, match="is no port: give a whole number from 1 to 65535"):
        port_of(text)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_that_is_taken_gets_a_sentence(family):
    try:
        taken = socket.create_server(("127.0.0.1" if family == socket.AF_INET else "::1", 0), family=family)
    except OSError:  # a machine without IPv6
        with pytest.raises(InputError, match="The page cannot listen on port 7999 of ::1"):
            check_port("::1", 7999)
        return
    with taken:
        host, port, *_ = taken.getsockname()
        with pytest.raises(InputError, match=f"cannot listen on port {port} of .*in use"):
            check_port(host, port)
    check_port(host, port)
    check_port(server_name(host), port)


@pytest.mark.parametrize("host", ["nowhere.invalid", "256.1.1.1", "192.0.2.1", "2001:db8::1", "x" * 300, "a..b"])
def test_a_host_that_is_not_this_machine_gets_a_sentence(host):
    with pytest.raises(InputError, match="The page cannot listen on port 7999 of"):
        check_port(host, 7999)


def test_a_path_of_a_page():
    assert [root_path(text) for text in ("/", "/demo/", "/a/b", "https://x.org/demo")] == [
        "", "/demo", "/a/b", "https://x.org/demo",
    ]  # fmt: skip
    with pytest.raises(InputError, match="'demo' is no path of a page: give one that begins with /"):
        root_path("demo")


@pytest.mark.parametrize(
    ("arguments", "environment", "reason"),
    [
        (["--port", "0"], {}, "'0' is no port"),
        (["--root-path", "demo"], {}, "'demo' is no path"),
        ([], {"GRADIO_SERVER_PORT": "http"}, "GRADIO_SERVER_PORT cannot be used: 'http' is no port"),
    ],
)
def test_wrong_settings_end_with_a_sentence(arguments, environment, reason, capsys):
    os.environ |= environment
    assert app.main(["--backbone", "embedded", *arguments]) == 1
    told = capsys.readouterr().err
    assert told.startswith(reason) and told.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("proxy", [NOBODY, "socks5://127.0.0.1:9"])
def test_the_page_starts_behind_a_proxy_that_nobody_serves(proxy):
    with running_app(http_proxy=proxy, HTTPS_PROXY=proxy, all_proxy=proxy) as server:
        clean, *_ = Client(server.address, verbose=False).predict(
            handle_file(DAMAGED), "metal nut", api_name="/inspect"
        )
    assert 0 <= clean <= 1


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::1", "::"])
def test_the_page_is_served_on_ipv6(embedded, host):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
            port = free.getsockname()[1]
    except OSError:  # a machine without IPv6, where check_port says a sentence
        return
    with serving(embedded, server_name=server_name(host), server_port=port) as address:
        assert address == f"http://[{host}]:{port}/"
        assert httpx.get(f"http://[::1]:{port}/", trust_env=False).status_code == 200


@pytest.mark.slow
def test_the_page_is_served_under_a_path(embedded, browser):
    with serving(embedded, root_path=root_path("/demo/")) as inside, served_under("/demo", inside) as address:
        page, troubles = browser.new_page(), []
        page.on("response", lambda answer: troubles.append(answer.url) if answer.status >= 400 else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(address)
        expect(scale(page, "clean")).to_be_visible()
        manifest = page.context.new_cdp_session(page).send("Page.getAppManifest")
        assert manifest["url"] == f"{address}manifest.json" and manifest["errors"] == []
        icon = page.request.get(address + json.loads(manifest["data"])["icons"][0]["src"])
        assert icon.headers["content-type"].startswith("image/svg")
        page.close()
        assert troubles == []
        client = Client(address, verbose=False)
        clean, *_, overlay, _ = client.predict(handle_file(DAMAGED), "metal nut", api_name="/inspect")
        assert 0 <= clean <= 1 and Path(overlay).is_file()
