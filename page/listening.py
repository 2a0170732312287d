"""Where the page listens, and how this machine is asked: what must be right before gradio is imported or started."""

import os
import socket
import sys
import urllib.request
from contextlib import closing
from importlib.util import find_spec

from zsad_core.errors import InputError

LOCAL = ("localhost", "127.0.0.1", "::1")
PORT = 7860


def ask_directly(*hosts: str) -> None:
    """Sees to it that this machine is never asked through a proxy: gradio asks its own page when it starts.

    A proxy that cannot be used is left out, with a sentence on stderr: gradio could not even be imported with it.

    Args:
        hosts: addresses of this machine beside the usual names.
    """
    for variable, address in list(os.environ.items()):
        if variable.lower() in ("http_proxy", "https_proxy", "all_proxy") and address and not _can_be_used(address):
            print(f"{variable} names a proxy of an unknown kind and is left out: give one that begins with http://, "
                  "https:// or socks5://.", file=sys.stderr)  # fmt: skip
            del os.environ[variable]
    proxies = urllib.request.getproxies()
    proxies.pop("no", None)
    if not proxies:
        return
    for scheme, address in proxies.items():  # those of Windows' and macOS' settings count only while no variable is set
        os.environ.setdefault(f"{scheme}_proxy", address)
    names = [
        os.environ.get("no_proxy", ""),
        os.environ.get("NO_PROXY", ""),
        *LOCAL,
        *(host.strip("[]") for host in hosts),
    ]
    exempt = ",".join(dict.fromkeys(name.strip() for part in names for name in part.split(",") if name.strip()))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = exempt


def _can_be_used(proxy: str) -> bool:
    import httpx  # here, as it is slow and most machines have no proxy

    try:
        scheme = httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}").url.scheme
    except (ValueError, httpx.InvalidURL):
        return False
    return not scheme.startswith("socks") or find_spec("socksio") is not None


def port_of(text: str) -> int:
    """A port's number.

    Raises:
        InputError: it is none.
    """
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise InputError(f"{text!r:.40} is no port: give a whole number from 1 to 65535.")
    return int(text)


def port_of_environment() -> int:
    """The port of GRADIO_SERVER_PORT, which gradio reads when it is imported; 7860 where it is not set.

    Raises:
        InputError: it is no port.
    """
    try:
        return port_of(os.environ["GRADIO_SERVER_PORT"]) if os.environ.get("GRADIO_SERVER_PORT") else PORT
    except InputError as error:
        raise InputError(f"GRADIO_SERVER_PORT cannot be used: {error}") from None


def server_name(host: str) -> str:
    """The host as gradio wants it: an IPv6 address in brackets, as in the address of a page."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def check_port(host: str, port: int) -> None:
    """Raises InputError where nothing can listen there; asked before the seconds that everything else takes."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            _bind(family, kind, protocol, address)
        _bind(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port))  # gradio wants it free whatever the host is
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The page cannot listen on port {port} of {host} ({reason}): give another one with --port or "
                         "--host, or end what runs there.") from error  # fmt: skip


def _bind(family: int, kind: int, protocol: int, address: tuple) -> None:
    with closing(socket.socket(family, kind, protocol)) as probe:
        if os.name == "posix":  # elsewhere it would let two programs listen on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)


def root_path(text: str) -> str:
    """The path under which the page is served, such as "/demo", or a whole address.

    Raises:
        InputError: it is neither.
    """
    if not text.startswith(("/", "http://", "https://")):
        raise InputError(f"{text!r:.80} is no path of a page: give one that begins with /, such as /demo.")
    return text.rstrip("/")
