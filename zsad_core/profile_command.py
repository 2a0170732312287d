"""`python -m zsad_core profile`: measures a backbone on the yardstick, says what it is worth and keeps its profile."""

import argparse
from pathlib import Path

from .errors import InputError
from .status_line import StatusLine


def add_parser(commands) -> None:
    """Adds the command to argparse's subparsers."""
    command = commands.add_parser(
        "profile",
        help="measure a backbone, and keep the scale of its scores",
        description="Measures a backbone on the rendered pictures of the yardstick: the scale of every method's "
        "scores, and whether it is fit for use. Keeps that in a small file by the backbone's fingerprint; a backbone "
        "without one is used with the values of the literature. Exits with 1 where the backbone is not fit for use.",
    )
    command.add_argument("--backbone", default="auto", metavar="NAME", help="auto (default), embedded, or another name")
    command.add_argument("--weights", metavar="FILE", help="a local checkpoint for the backbone")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns its exit code."""
    from .backbone import load_backbone  # here, so that --help need not wait for torch
    from .cores import set_threads_for
    from .doctor import measure
    from .profile import SHIPPED, Profile, cached_file, write

    on_progress = StatusLine()
    backbone = load_backbone(options.backbone, weights=options.weights, on_progress=on_progress)
    set_threads_for(backbone)
    profile = measure(backbone, on_progress=on_progress)
    print(_table(profile, _shipped(SHIPPED, Profile)))
    if profile.wrong:
        print(f"\n{backbone.name} is not fit for use:", *profile.wrong, sep="\n- ")
        return 1
    place = SHIPPED if backbone.name == "embedded" else cached_file(backbone.fingerprint)
    write(profile, place)
    print(f"\n{backbone.name} is fit for use. Its profile is kept in {place}.")
    return 0


def _shipped(place: Path, profile_type):
    """The profile of `embedded`, or None where there is none yet, or none that can be read."""
    try:
        return profile_type.from_bytes(place.read_bytes())
    except (OSError, InputError):
        return None


def _table(profile, shipped) -> str:
    """The figures, those of `embedded` beside them."""
    beside = shipped.figures if shipped else {}
    width = max(map(len, profile.figures))
    lines = [f"{'':<{width}}  {profile.backbone[:24]:>10}  {'embedded':>10}"]
    for name, value in profile.figures.items():
        other = f"{beside[name]:10.3f}" if name in beside else f"{'-':>10}"
        lines.append(f"{name:<{width}}  {value:10.3f}  {other}")
    return "\n".join(lines)
