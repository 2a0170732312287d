"""The work list on a Dask cluster on this machine: what it gives is what one process gives, even if a worker dies."""

import os
import signal

import dask
import pytest
from benchmark_data import mvtec
from distributed import LocalCluster

from zsad_core.baselines import Resources
from zsad_core.benchmark import work
from zsad_core.benchmark.engine import run_locally, run_on_dask
from zsad_core.datasets import read_dataset
from zsad_core.errors import InputError
from zsad_core.recipe import Recipe

pytestmark = pytest.mark.slow

SMALL = Recipe(prompts=4, groups=2, steps=2, classifier_steps=20)
PLAN = work.Plan(methods=("clip-ac", "rwda"), seeds=1, resources=Resources(recipe=SMALL))


@pytest.fixture(scope="module")
def cluster():
    """Two workers, and a scheduler that gives a unit up when a second one dies over it."""
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            yield cluster


def figures(finished):
    return {str(unit): (result.rows, result.unreadable, result.images) for unit, result in finished}


def test_a_worker_that_dies_changes_nothing(cluster, tmp_path):
    units = work.work_list(read_dataset(mvtec(tmp_path / "MVTec")), ("none", "noise"), [3])
    marker, fatal = tmp_path / "die once", str(units[-1])
    marker.touch()

    def run_or_die(plan, unit):
        if str(unit) == fatal and marker.exists():
            marker.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return work.run_unit(plan, unit)

    finished = list(run_on_dask(PLAN, units, cluster.scheduler_address, run_or_die))
    assert not marker.exists()  # a worker has died
    assert len(finished) == len(units) == 4
    assert figures(finished) == figures(run_locally(PLAN, units))


def test_what_no_worker_survives_is_named(cluster, tmp_path):
    (unit, *_) = work.work_list(read_dataset(mvtec(tmp_path / "MVTec")), ("none",), [3])
    with pytest.raises(InputError, match="Several workers died over MVTec/bottle none 0"):
        list(run_on_dask(PLAN, [unit], cluster.scheduler_address, lambda plan, unit: os._exit(1)))


def test_a_wrong_address_gets_a_sentence():
    with pytest.raises(InputError, match="No Dask scheduler answers at 'nonsense://x'"):
        list(run_on_dask(PLAN, [], "nonsense://x"))
