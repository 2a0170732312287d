"""The named endpoints as tools of an MCP server: `python app.py --mcp`."""

import importlib.util

from zsad_core.errors import InputError


def check_mcp() -> None:
    """Raises InputError where the package `mcp`, an optional extra of gradio, is not installed."""
    if importlib.util.find_spec("mcp") is None:
        raise InputError('--mcp needs the package "mcp", which is not installed: pip install "gradio[mcp]".')
