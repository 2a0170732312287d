"""Where the units of a work list are done: one after another here, or by the workers of a Dask cluster.

The work list, the code of a unit and the place where results are kept are the same for both, and so are the results.
"""

import os
from collections.abc import Callable, Iterable, Iterator

from ..errors import InputError
from .work import Plan, Result, Unit, run_unit

Run = Callable[[Plan, Unit], Result]


def run_locally(plan: Plan, units: Iterable[Unit], run: Run = run_unit) -> Iterator[tuple[Unit, Result]]:
    """Yields (unit, `Result`) one after another."""
    for unit in units:
        yield unit, run(plan, unit)


def run_on_dask(
    plan: Plan, units: Iterable[Unit], scheduler: str | None = None, run: Run = run_unit
) -> Iterator[tuple[Unit, Result]]:
    """Yields (unit, `Result`) as workers finish them; what a lost worker had in hand is given to another.

    Args:
        scheduler: address of a running Dask scheduler; workers on this machine, if not given, each with the threads
            of the plan. Workers elsewhere need this project on their path and the data under the same path.
    Raises:
        InputError: Dask is not installed, the scheduler does not answer, or workers keep dying over one unit.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise InputError("The engine dask needs the package distributed: pip install distributed.") from None
    workers = max(1, (os.cpu_count() or 1) // plan.threads)
    try:
        client = (
            Client(scheduler) if scheduler else Client(n_workers=workers, threads_per_worker=1, dashboard_address=None)
        )
    except (OSError, ValueError):
        raise InputError(
            f"No Dask scheduler answers at {scheduler!r}: start one (dask scheduler), or check its address."
        ) from None
    with client:
        units_of = {client.submit(run, plan, unit, pure=False): unit for unit in units}
        for future in as_completed(units_of):
            try:
                yield units_of[future], future.result()
            except KilledWorker:
                raise InputError(
                    f"Several workers died over {units_of[future]}, most often for want of memory: give them more, and "
                    "repeat the command; what is finished is kept."
                ) from None
