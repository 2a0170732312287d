"""After a training: a photo of the new product is the one thing to do next, over pictures that show another one."""

from html import escape

import gradio as gr

from page.inspection import SCORING, InspectView
from page.selection import Photo, Selection, takes_selection
from page.shared import SharedState
from page.words import in_words

ACTS = """element.addEventListener('click', (event) => {
  const does = event.target.closest('[data-does]')?.dataset.does;
  if (does === 'photo') document.querySelector('#upload')?.click();
  if (does === 'webcam') document.querySelector('#webcam-button')?.click();
  if (does) props.value = '';
});
watch('value', () => { if (props.value) element.scrollIntoView({block: 'center', behavior: 'smooth'}); });"""


class Invitation:
    """Builds the panel inside the current layout, over the pictures; `after` wires it to the end of a training."""

    def __init__(self, shared: SharedState):
        self.shared = shared
        self.panel = gr.HTML("", html_template="${value}", elem_id="now-show", js_on_load=ACTS)

    def after(self, trained, inspect: InspectView) -> None:
        """`trained` is the event that a training has ended, and its detector has been taken."""
        trained(self.invite, inspect.chosen, [*inspect.pictures, self.panel], **SCORING)
        inspect.photo.change(
            lambda: "", None, self.panel, queue=False, api_visibility="private", show_progress="hidden"
        )

    @in_words
    @takes_selection
    def invite(self, selection: Selection):
        """A sample of the product where there is one, else the panel; a photo of the visitor's own stays."""
        product, nothing = selection.kept.product, (gr.skip(), gr.skip())
        if isinstance(selection.photo, Photo) or selection.picture.product == product:
            return *nothing, ""
        for name, sample in selection.shared.samples.items():
            if sample.product == product:
                return name, name, ""
        return *nothing, panel(product, selection.picture.product)


def panel(product: str, shown: str) -> str:
    return f"""<div class="now-show" role="dialog" aria-label="Now show me a {escape(product)}">
<p>Now show me a {escape(product)}</p>
<button type="button" class="first" data-does="photo">Your photo</button>
<button type="button" data-does="webcam">Webcam</button><small>or drop or paste one anywhere</small>
<button type="button" class="quiet" data-does="close">Go on with the {escape(shown)}</button></div>"""
