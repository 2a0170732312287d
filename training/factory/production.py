"""Filling a folder with pairs, on several processes; and single products to show."""

import itertools
import json
import multiprocessing
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np

from .index import Index, write_pictures, write_twin

SHOWN = 0.004, 0.06  # share of the picture that the damage of a sample covers
VISIBLE = 15  # levels of 255 by which its pixels differ, on average, from the intact picture


def render(folder, seed, families, size):
    """Make and write the pairs of one seed, in a process of its own.

    Returns:
        (seed, rows for the index, what went wrong or None).
    """
    from .twins import make_twins

    try:
        return seed, write_pictures(folder, seed, make_twins(seed, families, size)), None
    except Exception as error:  # one product that cannot be built must not end a night's run
        return seed, [], f"{type(error).__name__}: {error}"


def fill(folder, pairs, processes=1, families=None, size=256, first=0, report=print):
    """Add pairs to a folder until it holds `pairs`.

    Args:
        families: names to draw from, all if None. first: the seed to begin with.

    Raises:
        InputError: the folder holds an index of something else.
    """
    index, began = Index(folder), time.monotonic()
    before = shown = index.pairs
    seeds = (seed for seed in itertools.count(first) if seed not in index.seeds)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:

        def begin() -> Future:
            return pool.submit(render, folder, next(seeds), families, size)

        running = {begin() for _ in range(processes + 1)}
        while index.pairs < pairs:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                seed, rows, problem = future.result()
                index.add(seed, rows)
                if problem:
                    report(f"seed {seed} left out, {problem}", flush=True)
                running.add(begin())
            if index.pairs - shown >= 30:
                shown, rate = index.pairs, (index.pairs - before) / (time.monotonic() - began)
                left = max(pairs - index.pairs, 0) / rate / 60
                report(f"{index.pairs} of {pairs} pairs  {60 * rate:.0f} a minute  {left:.0f} min left", flush=True)
        pool.shutdown(cancel_futures=True)
        for future in running:
            if not future.cancelled():
                index.add(*future.result()[:2])
    report(f"{index.pairs} pairs in {folder}", flush=True)


def samples(folder, families, size=512, first=0, report=print):
    """One product a family: `<name>/intact.jpg`, `damaged.jpg`, `mask.png`, and an index.json as in assets/samples.

    Args:
        families: names. first: the seed to begin with; it goes on until the damage is neither tiny nor all over, and
            can be seen.
    """
    from .twins import make_twins

    entries, folder = [], Path(folder)
    for family in families:
        made = ((seed, twin) for seed in itertools.count(first) for twin in make_twins(seed, [family], size))
        seed, twin = next((seed, twin) for seed, twin in made if _can_be_shown(twin))
        place = twin.name.replace(" ", "-")
        (folder / place).mkdir(parents=True, exist_ok=True)
        write_twin(twin, f"{folder / place}/")
        told = {"product": twin.name, "folder": place, "damage": twin.damage.replace("_", " ")}
        entries.append({**told, "seed": seed, "family": family})
        (folder / "index.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
        report(f"{twin.name}: {twin.damage.replace('_', ' ')}", flush=True)


def _can_be_shown(twin) -> bool:
    changed = np.abs(twin.intact.astype(int) - twin.damaged).mean(axis=2)  # (H, W)
    return SHOWN[0] < twin.mask.mean() < SHOWN[1] and changed[twin.mask].mean() > VISIBLE
