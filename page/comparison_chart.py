"""What a comparison over a set has given, as HTML: three charts against severity, a legend, and what they say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from page.shared import MEMORY, OURS
from zsad_core.baselines import Method
from zsad_core.comparison import ALL_KINDS, CAUGHT, FALSE_ALARMS, MISTAKEN, Figures
from zsad_core.corruptions import MAX_SEVERITY
from zsad_core.figures import LINES, SEVERITY_LABEL, apart

WIDTH, HEIGHT = 460, 352
LEFT, RIGHT, TOP, BOTTOM = 50, 310, 12, 304  # of the field that the lines lie in
DASHES = ' stroke-dasharray="9 4"'  # of a method that knows good parts; a zero-shot one has a full line
HEADINGS = {
    FALSE_ALARMS: ("False alarms", "intact parts called damaged; less is better"),
    CAUGHT: ("Caught", "damaged parts called damaged; more is better"),
    MISTAKEN: ("Mistaken, whatever the threshold", "intact, corrupted, over damaged, clean; less is better"),
}
STYLES = {OURS: 0, MEMORY: 3}  # places in LINES; the others take what is left
GAPS = {"words": 0, "memory": 3, "both": 2}  # the same for the lines of the gap
QUARTERS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, eq=False)
class Compared:
    """The figures of a set, what it is `of`, and a sentence on the good `parts` that some methods know."""

    figures: Figures
    of: str
    parts: str


@dataclass(frozen=True)
class _Line:
    """How a method is drawn: `lead` is one of those that the charts are about."""

    name: str
    title: str
    style: int
    parts: int
    lead: bool

    @property
    def classes(self) -> str:
        return f"line-{self.style}{' lead' if self.lead else ''}"

    @property
    def dashes(self) -> str:
        return DASHES if self.parts else ""

    @property
    def marker(self) -> str:
        return LINES[self.style].path


def nothing_compared(sentence: str) -> str:
    """In place of charts."""
    return f'<p class="nothing">{escape(sentence or "Press Run: every picture is scored by every method.")}</p>'


def comparison_chart(compared: Compared, kind: str, methods: Mapping[str, Method]) -> str:
    """False alarms, catches and mistaken pairs under a corruption (or ALL_KINDS) as charts, with their legend."""
    figures = compared.figures
    if not figures.severities:
        return nothing_compared("")
    lines = _lines(figures.shares, methods)
    panels = "".join(_panel(figures, name, kind, lines) for name in HEADINGS)
    zero_shot, knowing = ([line for line in lines if bool(line.parts) is known] for known in (False, True))
    return f"""<div class="panels">{panels}</div>
<div class="legend"><div><p>Zero-shot <small>no picture of the product was shown to it</small></p>{_legend(zero_shot)}
</div><div><p>Not zero-shot <small>it knows good parts of the product</small></p>{_legend(knowing)}</div></div>
<p class="said">{_said(compared, kind, lines)}</p>"""


def _lines(entrants: Iterable[str], methods: Mapping[str, Method]) -> list[_Line]:
    free = [number for number in range(len(LINES)) if number not in STYLES.values()]
    lines = []
    for name in sorted(entrants, key=lambda name: list(methods).index(name.partition("+")[0])):
        method, _, parts = name.partition("+")
        title = methods[method].title_with(int(parts)) if parts else methods[method].title
        style = STYLES[method] if method in STYLES else free.pop(0)
        lines.append(_Line(name, title, style, int(parts or 0), method in STYLES))
    return lines


def gap_chart(curves: Mapping[str, Sequence[float]], title: str) -> str:
    """How much higher a damaged picture scores than an intact one under the same corruption, against severity, as SVG.

    Args:
        curves: of "words", "memory" and "both" the gaps from -1 to 1 at severity 0, 1, ...; below 0 the damaged one
            looks better than the intact one.
    """
    lines = {
        _Line(name, name, style, int(style > 0), True): curves[name] for name, style in GAPS.items() if name in curves
    }
    shares = {line: [(1 + gap) / 2 for gap in curve] for line, curve in lines.items()}
    ends = {line: f"{curve[-1]:+.2f} {line.name}".replace("-", "−") for line, curve in lines.items() if curve}
    drawn = "".join(_curve(line, curve, range(len(curve))) for line, curve in reversed(shares.items()))
    marks = {share: f"{2 * share - 1:+.1f}".replace("-", "−").replace("+0.0", "0") for share in QUARTERS}
    neutral = f'<path class="neutral" d="M{LEFT} {_down(0.5):.1f}H{RIGHT}"/>'
    labels = _labels({line: shares[line] for line in ends}, range(MAX_SEVERITY + 1), ends)
    return f"""<svg class="severity gap" viewBox="-60 0 {WIDTH + 120} {HEIGHT + 24}" role="img"><title>{title}</title>
<text class="caption" x="{LEFT}" y="16">{title}</text>
<g class="field" transform="translate(0 24)">{_field(marks)}{neutral}{drawn}{labels}</g></svg>"""


def _panel(figures: Figures, figure: str, kind: str, lines: Sequence[_Line]) -> str:
    title, meaning = HEADINGS[figure]
    curves = {line: figures.shares[line.name][figure][kind] for line in lines}
    drawn = "".join(_curve(line, curve, figures.severities) for line, curve in reversed(curves.items()))
    ends = {line: f"{curve[-1]:.0%} {_short(line)}" for line, curve in curves.items() if line.lead}
    labels = _labels({line: curves[line] for line in ends}, figures.severities, ends)
    return f"""<figure><figcaption><b>{title}</b> {meaning}</figcaption>
<svg class="severity" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{title}: {_told(curves)}</title>
{_field({share: f"{share:.0%}" for share in QUARTERS})}{drawn}{labels}</svg></figure>"""


def _field(marks: Mapping[float, str]) -> str:
    """The grid under the lines: what stands beside it at each share of its height, and the severities below."""
    grid = "".join(
        f'<path class="grid" d="M{LEFT} {_down(share):.1f}H{RIGHT}"/>'
        f'<text class="axis end" x="{LEFT - 8}" y="{_down(share) + 5:.1f}">{mark}</text>'
        for share, mark in marks.items()
    )
    ticks = "".join(
        f'<text class="axis middle" x="{_across(level):.1f}" y="{BOTTOM + 20}">{level}</text>'
        for level in range(MAX_SEVERITY + 1)
    )
    middle = (LEFT + RIGHT) / 2
    return f'{grid}{ticks}<text class="axis middle" x="{middle}" y="{HEIGHT - 6}">{SEVERITY_LABEL}</text>'


def _curve(line: _Line, curve: Sequence[float], severities: Sequence[int]) -> str:
    places = [(_across(severity), _down(share)) for severity, share in zip(severities, curve, strict=True)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    markers = "".join(f'<path d="{line.marker}" transform="translate({x:.1f} {y:.1f})"/>' for x, y in places)
    return f'<g class="{line.classes}"><polyline points="{points}"{line.dashes}/>{markers}</g>'


def _labels(curves: Mapping[_Line, Sequence[float]], severities: Sequence[int], words: Mapping[_Line, str]) -> str:
    """What stands at the end of each line, kept apart."""
    ends = [curve[-1] for curve in curves.values()]
    labels = ""
    for (line, curve), at in zip(curves.items(), apart(ends, 0.1, 0, 1), strict=True):
        across = _across(severities[len(curve) - 1])
        labels += (
            f'<g class="label {line.classes}">'
            f'<path d="M{across + 7:.1f} {_down(curve[-1]):.1f}L{across + 14:.1f} {_down(at):.1f}"/>'
            f'<text x="{across + 17:.1f}" y="{_down(at) + 6:.1f}">{words[line]}</text></g>'
        )
    return labels


def _short(line: _Line) -> str:
    name = "ours" if line.name.partition("+")[0] == OURS else "memory"
    return f"{name} +{line.parts}" if name == "ours" and line.parts else name


def _legend(lines: Sequence[_Line]) -> str:
    items = "".join(
        f'<li class="{line.classes}"><svg viewBox="0 0 44 12" aria-hidden="true" class="severity"><g>'
        f'<path class="stroke" d="M0 6H44"{line.dashes}/>'
        f'<path d="{line.marker}" transform="translate(22 6)"/></g></svg>{escape(line.title)}</li>'
        for line in lines
    )
    return f"<ul>{items}</ul>"


def _said(compared: Compared, kind: str, lines: Sequence[_Line]) -> str:
    """In plain words what the charts show at the last severity, and of what."""
    figures = compared.figures
    last = figures.severities[-1]
    where = (
        f"Under {'the four corruptions' if kind == ALL_KINDS else kind} at severity {last}" if last else "As they are"
    )
    said = ", ".join(
        f"{escape(line.title.lower() if line.parts else line.title)} calls "
        f"<b>{figures.shares[line.name][FALSE_ALARMS][kind][-1]:.0%}</b> of the intact parts damaged"
        for line in lines
        if line.lead
    )
    return f"{where}, {said}. Shown: {escape(compared.of)}, at the fixed verdict of .5. {escape(compared.parts)}"


def _told(curves: Mapping[_Line, Sequence[float]]) -> str:
    return "; ".join(f"{line.title} {' '.join(f'{share:.0%}' for share in curve)}" for line, curve in curves.items())


def _across(severity: float) -> float:
    return LEFT + (RIGHT - LEFT) * severity / MAX_SEVERITY


def _down(share: float) -> float:
    return BOTTOM + (TOP - BOTTOM) * share
