"""The methods of the poster's table, one file each, behind one interface (`method`)."""

from ..errors import InputError
from .acr import Acr
from .anomalyclip import AnomalyClip
from .clip import Clip, ClipAc
from .maeday import Maeday
from .memory import GoodPartsMemory
from .method import Fitted, ImageBatch, Method, Resources
from .ours import Ours
from .rwda import Rwda
from .winclip import WinClip

__all__ = ["METHODS", "method_named", "Method", "Fitted", "ImageBatch", "Resources"]

# In the order of the poster's table, by the name that is typed; the one that needs good parts is not in it.
METHODS: dict[str, type[Method]] = {
    method.name: method for method in (Clip, ClipAc, WinClip, Rwda, AnomalyClip, Maeday, Acr, GoodPartsMemory, Ours)
}


def method_named(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        InputError: there is none; says which there are.
    """
    if name not in METHODS:
        raise InputError(f"There is no method {name!r:.40}: choose from {', '.join(METHODS)}.")
    return METHODS[name]
