"""How a run begins."""

from types import SimpleNamespace

import pytest
from snakemake.resources import Resources

from tuning_dynamics.run.start import take_turns


def resources(nodes: int | None, **given: int) -> Resources:
    """Snakemake's, as the command line gives them."""
    found = Resources()
    found["_nodes"] = nodes
    for name, number in given.items():
        found[name] = number
    return found


@pytest.mark.parametrize(
    ("nodes", "given", "has_gpu", "expected"),
    [
        (None, {}, True, 1),  # a plain run on a machine with a GPU
        (None, {}, False, None),
        (None, {"gpu": 2}, True, 2),
        (100, {}, True, None),  # jobs go to a cluster, whatever the login node has
    ],
)
def test_jobs_take_turns_on_this_machines_gpu(nodes, given, has_gpu, expected, tmp_path):
    if has_gpu:
        (tmp_path / "nvidia0").touch()
    (tmp_path / "nvidiactl").touch()  # there without a GPU too
    workflow = SimpleNamespace(global_resources=resources(nodes, **given))
    take_turns(workflow, tmp_path)
    limit = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else None
    assert limit == expected
