"""Every value of a training in one place, relative to the backbone, so that it travels from one to another."""

from dataclasses import asdict, dataclass, fields

from .errors import InputError, quoted
from .prompts import ADJECTIVES, clean_adjectives

# Least and greatest value of each number: wide enough for an experiment, tight enough for a server shared by many.
_RANGES = {
    "prompts": (2, 256), "groups": (1, 32), "diversity_words": (1, 8), "distribution_words": (1, 8),
    "steps": (0, 1000), "learning_rate": (1e-4, 1.0), "diversity_weight": (0.0, 100.0),
    "knowledge_weight": (0.0, 100.0), "groups_weight": (0.0, 100.0), "guard_weight": (0.0, 100.0),
    "plain_share": (0.0, 1.0), "noise_angle": (0.0, 89.0), "hidden": (1, 1024), "classifier_steps": (1, 5000),
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained.

    Attributes:
        prompts: K, the number of prompts (2 to 256).
        groups: G, the number of groups that share distribution words (1 to 32).
        diversity_words, distribution_words: learnable words of either kind in a prompt (1 to 8).
        steps: steps of Adam on the learnable words (0 to 1000).
        learning_rate: of the learnable words, as a fraction of the standard deviation of the token embeddings.
        diversity_weight, knowledge_weight, groups_weight, guard_weight: weights of these losses (0 to 100).
        plain_share: how much of what the FNN is trained on are the plain prompts, without learned words (0 to 1).
        adjectives: the words that make a product abnormal (1 to 8).
        noise_angle: degrees by which a noise copy is turned away from its text vector (0 to 89).
        hidden: width of the FNN's hidden layer.
        classifier_steps: steps of AdamW on the FNN.

    Raises:
        InputError: a value outside its range or of the wrong kind.
    """

    prompts: int = 16
    groups: int = 4
    diversity_words: int = 2
    distribution_words: int = 2
    steps: int = 30
    learning_rate: float = 0.1
    diversity_weight: float = 1.0
    knowledge_weight: float = 1.0
    groups_weight: float = 0.25
    guard_weight: float = 5.0
    plain_share: float = 0.75
    adjectives: tuple[str, ...] = ADJECTIVES
    noise_angle: float = 50.0
    hidden: int = 64
    classifier_steps: int = 150

    # The longer presets take smaller steps, so that the words travel about as far. Measured on the embedded backbone:
    # words spread to a mean |cos| under 0.2 no longer carry the state, and a network trained on them alone leaves the
    # held-back sentences (accuracy 0.71 instead of 0.95), while images are told apart no better.

    @classmethod
    def quick(cls) -> "Recipe":
        """Seconds on two CPU cores: 16 prompts, 30 steps."""
        return cls()

    @classmethod
    def standard(cls) -> "Recipe":
        """More prompts in smaller steps, at about three times the cost: 32 prompts, 60 steps."""
        return cls(prompts=32, groups=8, steps=60, learning_rate=0.05)

    @classmethod
    def poster_scale(cls) -> "Recipe":
        """The scale of PromptStyler, on which the poster builds: 80 prompts, 100 steps (Cho et al., ICCV 2023)."""
        return cls(prompts=80, groups=8, steps=100, learning_rate=0.03, classifier_steps=400)

    def __post_init__(self):
        for name, (least, greatest) in _RANGES.items():
            value, kind = getattr(self, name), type(_DEFAULTS[name])
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not least <= value <= greatest or (kind is int and value != int(value)):
                whole = "a whole number" if kind is int else "a number"
                said = name.replace("_", " ").capitalize()
                raise InputError(f"{said} must be {whole} from {least} to {greatest}, not {quoted(value)}.")
            object.__setattr__(self, name, kind(value))
        object.__setattr__(self, "adjectives", clean_adjectives(self.adjectives))

    @property
    def without(self) -> tuple[str, ...]:
        """The parts of the method that this recipe does without, such as "guard"."""
        return tuple(part for part, none in WITHOUT.items() if all(getattr(self, name) == 0 for name in none))

    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """The recipe of which `to_dict` gave these values.

        Raises:
            InputError: a name that is no value of a recipe, or a value that does not fit.
        """
        unknown = set(values) - set(_DEFAULTS)
        if unknown:
            raise InputError(f"A recipe has no value called {sorted(unknown)[0]!r:.40}; it has {', '.join(_DEFAULTS)}.")
        return cls(**{"plain_share": 0.0, **values})  # files of before know no plain prompts


_DEFAULTS = {value.name: value.default for value in fields(Recipe)}

# What takes a part of the method out of a recipe, by the name of the part.
WITHOUT = {
    "diversity": {"diversity_weight": 0.0},
    "guidance": {"knowledge_weight": 0.0, "groups_weight": 0.0},
    "guard": {"guard_weight": 0.0, "plain_share": 0.0},
    "noise": {"noise_angle": 0.0},
}

# By the name that the page and the command lines give them.
PRESETS = {"quick": Recipe.quick(), "standard": Recipe.standard(), "poster-scale": Recipe.poster_scale()}
