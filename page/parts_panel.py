"""The panel of good parts: photos of intact products that a visitor gives, takes out again, or leaves unused."""

from html import escape
from pathlib import Path

import gradio as gr

from page.events import event_field
from page.inspection import KEPT, SCORING, InspectView
from page.parts import Part, count_of, doubts_of, said_by
from page.selection import Selection, takes_selection
from page.shared import SharedState
from page.words import in_words
from zsad_core.errors import InputError
from zsad_core.good_parts import MOST

TOLD = 3  # sentences on the photos that were given, at once
GIVING = {**SCORING, "show_progress": "minimal"}  # a memory takes a second or two to make


class PartsPanel:
    """Builds the panel and the button that opens it inside the current layout, and wires them to the view Inspect."""

    def __init__(self, shared: SharedState, inspect: InspectView):
        self.shared, self.inspect = shared, inspect
        with gr.Column(elem_id="good-parts"):
            panel = gr.HTML(
                panel_of(inspect.start),
                elem_id="parts",
                js_on_load="""element.addEventListener('click', (event) => {
                    const button = event.target.closest('button[data-part]');
                    if (button) trigger('remove', {part: button.dataset.part});
                });""",
            )
            with gr.Row(elem_classes="go"):
                upload = gr.UploadButton(
                    "Give photos",
                    file_count="multiple",
                    file_types=["image", ".zip"],
                    size="sm",
                    elem_id="parts-upload",
                )
                shown = gr.Button("This one is good", size="sm", elem_id="parts-shown")
                inspect.words_only.render()
        opener = gr.HTML(
            opener_of(inspect.start),
            elem_id="parts-opener",
            js_on_load=Path(__file__).with_name("parts.js").read_text(encoding="utf-8"),
        )
        self.given = [inspect.good, inspect.words_only]
        giving = {"show_progress_on": panel, **GIVING}
        each = {"trigger_mode": "multiple", **giving}  # a quick hand's second one is not dropped
        upload.upload(self.give, [upload, *inspect.chosen], self.given, **each)
        shown.click(self.give_shown, inspect.chosen, self.given, **giving)
        panel.remove(self.remove, inspect.chosen, inspect.good, **each)
        gr.on(
            [inspect.detector.change, inspect.good.change, inspect.words_only.change],
            self.show,
            [inspect.method, *inspect.chosen],
            [opener, panel, inspect.method],
            trigger_mode="always_last",
            **SCORING,
        )

    @in_words
    @takes_selection
    def give(self, paths, selection: Selection):
        """Photos were uploaded or dropped: the detector's product has them from now on."""
        said: list[str] = []
        parts = self.shared.parts_in(paths, tell=said.append)
        if said:
            more = f" And {len(said) - TOLD} more." if len(said) > TOLD else ""
            gr.Info(escape(" ".join(said[:TOLD]) + more))
        return self._with(selection, parts)

    @in_words
    @takes_selection
    def give_shown(self, selection: Selection):
        """The picture on screen, as it was before any corruption, is of a good part."""
        picture = selection.picture
        return self._with(selection, (self.shared.part(picture.pixels, picture.description),))

    def _with(self, selection: Selection, more: tuple[Part, ...]):
        product, parts = selection.kept.product, (*selection.parts, *more)
        if len(parts) > MOST:
            raise InputError(f"That would make {len(parts)} good parts, and {MOST} are the most: remove some first.")
        self.shared.with_good_parts(selection.kept, parts)  # or a sentence; the panel says what is doubted
        good = {**{name: kept for name, kept in selection.good.items() if name != product}, product: parts}
        for forgotten in list(good)[:-KEPT]:
            del good[forgotten]
            gr.Info(f"Good parts are kept for {KEPT} products: those of “{escape(forgotten)}” were forgotten.")
        return good, False if selection.words_only else gr.skip()

    @in_words
    @takes_selection
    def remove(self, event: gr.EventData, selection: Selection):
        """One was taken out."""
        digest = event_field(event, "part")
        left = tuple(part for part in selection.parts if part.digest != digest)
        return {**selection.good, selection.kept.product: left}

    @in_words
    @takes_selection
    def show(self, method, selection: Selection):
        """The button, the panel, and the switch between the methods, of which one needs good parts."""
        choices = [(self.shared.methods[name].title, name) for name in selection.methods]
        # A method that can run is left alone: the visitor may have chosen another one since.
        lost = {} if selection.method == method else {"value": selection.method}
        return opener_of(selection), panel_of(selection), gr.update(choices=choices, **lost)


def opener_of(selection: Selection) -> str:
    """The button that opens the panel: how many there are, and whether they have a say."""
    count = len(selection.parts) or selection.kept.good_parts
    label = count_of(count) if count else "Good parts: none"
    label += ", unused" if count and selection.words_only else ""
    doubts = doubts_of(selection.detector)
    doubted = f" · {len(doubts)} {'stands out' if count > 2 else 'doubted'}" if doubts else ""
    given = f'data-product="{escape(selection.kept.product)}" data-count="{len(selection.parts)}"'
    return f'<button type="button" popovertarget="good-parts" {given}>{label}{doubted}</button>'


def panel_of(selection: Selection) -> str:
    """The panel as HTML: what good parts do, their thumbnails, and which of them are doubted."""
    detector, parts = selection.detector, selection.parts
    doubts = doubts_of(detector)
    thumbnails = "".join(_thumbnail(number, part, doubts) for number, part in enumerate(parts, 1))
    said = "".join(f"<p class='doubt'>{escape(doubt)}</p>" for doubt in doubts)
    used = "used" if detector.good_parts else "unused" if parts or selection.kept.good_parts else "none"
    return f"""<h3>Good parts <small>{escape(detector.product)}</small></h3>
<p role="status">{_state(selection)}</p>
<ul class="{used}">{thumbnails}</ul>{said}"""


def _state(selection: Selection) -> str:
    """What good parts do, or would do, in a sentence or two."""
    detector, kept = selection.detector, selection.kept
    if detector.good_parts:
        origin = "" if selection.parts else " They came with the detector’s file, without their photos."
        replaced = selection.parts and kept.good_parts
        origin = f" They replace the {kept.good_parts} of the detector’s file." if replaced else origin
        return f"Scored {said_by(detector)}: <b>no longer zero-shot</b>.{origin}"
    if selection.parts or kept.good_parts:
        return "Scored by words alone: the good parts are not used."
    return (
        f"Scored by words alone: zero-shot. Give 1 to {MOST} photos of intact ones, and pictures are held against them "
        "too. You can drop them here."
    )


def _thumbnail(number: int, part: Part, doubts: tuple[str, ...]) -> str:
    name = f"Good part {number}"
    doubted = ' class="doubted"' if any(doubt.startswith(f"{name} ") for doubt in doubts) else ""
    return f"""<li{doubted}><img src="{part.thumbnail}" alt="{name}: {escape(part.name)}"><span>{number}</span>
<button type="button" data-part="{part.digest}" title="Remove" aria-label="Remove good part {number}">×</button></li>"""
