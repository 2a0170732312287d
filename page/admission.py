"""How much one visitor may have of the page: jobs that run and wait, by visitor, by network address and in all."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Visitor:
    """Whose job it is. A client chooses its session itself, so the address counts as well.

    Attributes:
        session: of the browser's tab or of the program.
        address: of the network, which many people may share.
    """

    session: str
    address: str


@dataclass(frozen=True)
class Job:
    """What is asked for: `kind` is a key of LIMITS."""

    visitor: Visitor
    kind: str


@dataclass(frozen=True)
class Limits:
    """How many jobs of a kind there may be at once: of a visitor, from an address, and in all.

    Attributes:
        noun: what such jobs are called.
        visitor_runs, address_runs: that run; further ones wait.
        visitor, address, everyone: that run or wait; further ones are refused.
    """

    noun: str
    visitor_runs: int
    address_runs: int
    visitor: int
    address: int
    everyone: int


# A kind has places of its own: where there is none left for trainings, an image is still inspected. An address may be
# a school or an office, so it gets several visitors' share, and never all of it.
LONG = {"visitor_runs": 1, "address_runs": 4, "visitor": 3, "address": 16, "everyone": 48}
LIMITS = {
    "training": Limits("trainings", **LONG),
    "sweeping": Limits("sweeps", **LONG),
    "batch": Limits("batches", **LONG),
    "scoring": Limits("inspections", visitor_runs=4, address_runs=6, visitor=16, address=48, everyone=96),
    "other": Limits("requests", visitor_runs=4, address_runs=6, visitor=16, address=48, everyone=96),
}


def refusal(job: Job, held: Iterable[Job]) -> str | None:
    """Why a job is not taken, in a sentence; None where it is.

    Args:
        held: the jobs that run or wait.
    """
    limits = LIMITS[job.kind]
    same = [one.visitor for one in held if one.kind == job.kind]
    if sum(one.session == job.visitor.session for one in same) >= limits.visitor:
        return (f"You have {limits.visitor} {limits.noun} running or waiting, and more are not taken: wait until one "
                "ends, or stop one.")  # fmt: skip
    if sum(one.address == job.visitor.address for one in same) >= limits.address:
        return (f"From your network address {limits.address} {limits.noun} are running or waiting, and more are not "
                "taken: try again when one has ended.")  # fmt: skip
    if len(same) >= limits.everyone:
        return f"{limits.everyone} {limits.noun} are running or waiting, and no more can wait: try again in a minute."
    return None


def next_job(waiting: Collection, running: Iterable[Job], job_of: Callable[..., Job]):
    """The one of the waiting jobs of a kind that starts next, or None: those with the least running come first.

    Args:
        waiting: of one kind, those that came first before the others.
        running: of all kinds.
        job_of: gives the `Job` of one that waits.
    """
    running = [(one.kind, one.visitor) for one in running]

    def runs(job: Job) -> tuple[int, int]:
        of_kind = [visitor for kind, visitor in running if kind == job.kind]
        return (sum(visitor.address == job.visitor.address for visitor in of_kind),
                sum(visitor.session == job.visitor.session for visitor in of_kind))  # fmt: skip

    best = None
    for one in waiting:
        job = job_of(one)
        from_address, of_visitor = count = runs(job)
        limits = LIMITS[job.kind]
        if from_address < limits.address_runs and of_visitor < limits.visitor_runs:
            if best is None or count < best[0]:
                best = count, one
    return best and best[1]
