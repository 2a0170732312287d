"""The named endpoints as tools of an MCP server: `python app.py --mcp`."""

import importlib.util

import gradio.mcp

from zsad_core.errors import InputError


class Server(gradio.mcp.GradioMCPServer):
    """Gradio's, without two faults of its 6.31: lists of files were refused, and several outputs came as one text."""

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

    async def _execute_tool_without_progress(self, job):
        (outputs,) = await super()._execute_tool_without_progress(job)
        return list(outputs)


def check_mcp() -> None:
    """Raises InputError where the package `mcp`, an optional extra of gradio, is not installed."""
    if importlib.util.find_spec("mcp") is None:
        raise InputError('--mcp wants the package "mcp", which is not installed: pip install "gradio[mcp]".')


def use_server() -> None:
    """The MCP server that gradio launches from now on is `Server`."""
    gradio.mcp.GradioMCPServer = Server
