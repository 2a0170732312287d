"""What a product's name does, in words: what a picture looks like, and names that the backbone makes nothing of."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from html import escape

import numpy as np
import torch

from page.selection import Selection
from page.shared import SharedState
from zsad_core.errors import InputError
from zsad_core.good_parts import reduced
from zsad_core.names import ANYTHING, Look
from zsad_core.prompts import clean_product_name, without_states

SHOWN = 3  # names, the likeliest first
ASKED = 16  # images of a set, evenly taken
ORDINALS = {1: "1st", 2: "2nd", 3: "3rd"}
# A button that trains for its product. In the browser: a quick visitor would train the old product otherwise.
TRAIN_FOR = """element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-product]');
    if (!button) return;
    const field = document.querySelector('#product textarea, #product input');
    field.value = button.dataset.product;
    field.dispatchEvent(new Event('input', {bubbles: true}));
    setTimeout(() => document.querySelector('#train')?.click());
});"""


def known_products(shared: SharedState, product: str, own: Iterable[bytes] = ()) -> list[str]:
    """The products that a picture is held against: the detector's, the shipped and those of the visitor's own that
    are understood; each once, whatever its capitals."""
    owned = (shared.detector_from(data).product for data in own)
    names = [product, *shared.shipped, *filter(shared.names.understood, owned)]
    return list({name.lower(): name for name in reversed(names)}.values())


def looks_line(selection: Selection) -> str:
    """What the picture looks like, where the detector's product stands, and perhaps a quiet offer; HTML."""
    shared, product = selection.shared, selection.kept.product
    names = known_products(shared, product, selection.own.values())
    looks = shared.names.looks(shared.image_batch(selection.picture.pixels).encoded.image, names)
    other = shared.names.something_else(looks, product)
    return f"<p>Looks like: {_said(looks, product)}{_offer(other, product)}</p>"


class SetLooks:
    """The images of a batch, some of which are remembered on their way, to be told what the set looks like.

    Args:
        images: as `BatchScoring` takes them.
    """

    def __init__(self, shared: SharedState, images, product: str, own: Iterable[bytes] = ()):
        self.shared, self.product = shared, product
        self._images, self._own, self._seen = images, own, []
        self.skipped = getattr(images, "skipped", ())

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self):
        step = -(-len(self) // ASKED)
        for number, (entry, found) in enumerate(self._images):
            if number % step == 0 and not isinstance(found, InputError):
                first = found if isinstance(found, np.ndarray) else found[0].pixels  # of several pages
                self._seen.append(reduced(first, self.shared.backbone.image_size))
            yield entry, found

    @cached_property
    def looks(self) -> list[Look]:
        """What those that were scored look like; empty where none was. To be asked for at the end."""
        if not self._seen:
            return []
        names = known_products(self.shared, self.product, self._own)
        return self.shared.names.looks(self.shared.backbone.image_vectors(self._seen), names)

    def line(self) -> str:
        """The same as HTML."""
        if not self.looks:
            return ""
        other = self.shared.names.something_else(self.looks, self.product)
        more = f"; more like a {escape(other)} than a {escape(self.product)}" if other else ""
        return f'<p class="looks">The set looks like: {_said(self.looks, self.product)}{more}.</p>'


def name_note(shared: SharedState, typed: str) -> str:
    """What is to be said of a typed name, as HTML; most often nothing. Raises InputError where it cannot be used."""
    product = clean_product_name(typed)
    rest, states = without_states(product)
    if states:
        words = " and ".join(f"“{escape(word)}”" for word in states)
        are = "are states" if len(states) > 1 else "is a state"
        return f"""<p class="name-note">{words} {are}, and a detector knows the states by itself.
{_button(rest)}</p>"""
    if not shared.names.understood(product):
        return f"""<p class="name-note">“{escape(product)}” is not understood: it amounts to “{ANYTHING}”.
The states still count.</p>"""
    return ""


def looks_fields(shared: SharedState, images: torch.Tensor, product: str) -> dict:
    """What pictures (their image vectors, (N, d)) look like, for the API."""
    looks = shared.names.looks(images, known_products(shared, product))
    return {
        "looks_like": as_fields(looks),
        "product": product,
        "stands": _place(looks, product),
        "among": len(looks),
        "more_like": shared.names.something_else(looks, product),
        "understood": shared.names.understood(product),
    }


def as_fields(looks: Sequence[Look]) -> dict[str, float]:
    """The likeliest names with their shares."""
    return {look.name: round(look.share, 4) for look in looks[:SHOWN]}


def _place(looks: Sequence[Look], product: str) -> int:
    return next(number for number, look in enumerate(looks, 1) if look.name == product)


def _said(looks: Sequence[Look], product: str) -> str:
    place = _place(looks, product)
    shares = ", ".join(f"{escape(look.name)} {look.share:.0%}" for look in looks[:SHOWN])
    return f"{shares}; <b>{escape(product)}</b> stands {ORDINALS.get(place, f'{place}th')} of {len(looks)}"


def _offer(other: str | None, product: str) -> str:
    if other is None:
        return ""
    return f" · more like a {escape(other)} than a {escape(product)}: {_button(other)}"


def _button(product: str) -> str:
    return f'<button type="button" data-product="{escape(product)}">Train for {escape(product)}?</button>'
