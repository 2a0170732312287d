"""What a script of the page sends along with its event; whoever writes requests by hand may leave it out."""

import gradio as gr

from zsad_core.errors import InputError


def event_field(event: gr.EventData, name: str) -> str:
    """A text that an event carries. Raises InputError where there is none, or something else in its place."""
    try:
        value = getattr(event, name)
    except (AttributeError, TypeError):  # no such field; no fields at all
        value = None
    if not isinstance(value, str):
        raise InputError(f"The page did not say which {name} it means: reload it and try again.")
    return value
