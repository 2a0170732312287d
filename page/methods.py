"""The methods of the poster's table on the page: the switch between them, and what there is to know of each."""

from html import escape

import gradio as gr

from page.shared import OURS, SharedState


def method_switch(shared: SharedState) -> gr.Radio:
    """A switch between the methods that can run here; its value is a method's name."""
    choices = [(method.title, name) for name, method in shared.methods.items() if not shared.missing[name]]
    return gr.Radio(choices, value=OURS, show_label=False, label="Method", elem_id="method", elem_classes="segments")


def about_methods(shared: SharedState, anchor: str) -> str:
    """A button that opens a list of all methods: source, what is faithful to it, and why one cannot run here."""
    entries = "".join(
        f"<dt>{escape(method.title)} <small>{escape(method.source)}</small></dt>"
        f"<dd>{_missing(shared.missing[name])}{escape(method.faithful)}</dd>"
        for name, method in shared.methods.items()
    )
    return f"""<button type="button" class="ask" popovertarget="{anchor}" aria-label="About the methods"
 title="About the methods">?</button>
<div popover id="{anchor}" class="methods" role="dialog" tabindex="0" aria-label="About the methods">
<h3>The methods</h3>
<p>All methods get the same image, encoded once by the same backbone. They differ in what they compare it with. CLIP,
CLIP-AC, WinCLIP, RWDA-style and ours share one scale, fitted on our own renders: at 0.5 one of these is as likely good
as damaged. It changes no order of their papers’ scores. A map is moved as a whole, so that its hottest places have the
value of the score.</p>
<dl>{entries}</dl></div>"""


def _missing(why: str | None) -> str:
    return f"<b>{escape(why)}</b> " if why else ""
