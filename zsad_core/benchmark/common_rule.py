"""The zero-shot methods under one rule of the score, ours: the image vector and the map, in equal parts.

Beside the same methods under their papers' rules, they show what a method is worth and what the rule is worth.
"""

from ..baselines.anomalyclip import AnomalyClip
from ..baselines.clip import Clip, ClipAc, FittedPrompts
from ..baselines.method import Method
from ..baselines.rwda import Rwda
from ..baselines.winclip import WinClip
from ..profile import WITH_MAP

_FAITHFUL = " Here its score is made as ours is, by the image vector and the map of dense vectors in equal parts."


class ClipWithMap(Clip):
    name, title = Clip.name + WITH_MAP, "CLIP, our rule"
    faithful = Clip.faithful + _FAITHFUL


class ClipAcWithMap(ClipAc):
    name, title = ClipAc.name + WITH_MAP, "CLIP-AC, our rule"
    faithful = ClipAc.faithful + _FAITHFUL


class WinClipWithMap(WinClip):
    name, title = WinClip.name + WITH_MAP, "WinCLIP's prompts, our rule"
    faithful = "WinCLIP's states and templates, asked about the image vector and the dense vectors, without windows."

    def fit(self, product: str, seed: int = 0) -> FittedPrompts:
        fitted = super().fit(product, seed)
        return FittedPrompts(fitted.states, fitted.logit_scale, self.scale)


class RwdaWithMap(Rwda):
    name, title = Rwda.name + WITH_MAP, "RWDA-style, our rule"
    faithful = Rwda.faithful + _FAITHFUL


class AnomalyClipWithMap(AnomalyClip):
    name, title = AnomalyClip.name + WITH_MAP, "AnomalyCLIP, our rule"
    faithful = AnomalyClip.faithful + _FAITHFUL


COMMON_RULE: dict[str, type[Method]] = {
    method.name: method for method in (ClipWithMap, ClipAcWithMap, WinClipWithMap, RwdaWithMap, AnomalyClipWithMap)
}
