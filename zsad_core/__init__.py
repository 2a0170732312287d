"""Zero-shot detection of anomalies that holds when the world around the product changes.

    backbone = load_backbone("embedded")                        # CLIP: texts and images in one joint space
    detector = Detector.fit(backbone, "metal nut")              # trained on text alone, in seconds
    inspection = detector.inspect("photo.jpg")                  # .score in [0, 1], .map (H, W), .verdict

The method follows the poster "Towards Better Zero-Shot Anomaly Detection under Distribution Shift with CLIP" (Gao, He,
Duan, Zuo); the README says where our reading fills what the poster leaves open.
"""

from importlib import import_module

from .errors import InputError

__version__ = "0.1.0"
__all__ = ["load_backbone", "Backbone", "Detector", "Inspection", "Recipe", "corrupt", "InputError"]

_MODULES = {
    "load_backbone": "backbone",
    "Backbone": "backbone",
    "Detector": "detector",
    "Inspection": "detector",
    "Recipe": "recipe",
    "corrupt": "corruptions",
}


def __getattr__(name):
    """Import a public name when it is first asked for: torch takes seconds that `--help` should not cost (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__():
    return sorted({*globals(), *__all__})
