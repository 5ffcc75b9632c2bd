"""What a run puts into Snakemake, undone after a test that begins one in its own process."""

import pytest
import snakemake.api  # first: its modules import one another
import snakemake.jobs
import snakemake.workflow

from tuning_dynamics.run.snakemake_internals import Records


def put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Snakemake as it is now when the test ends, and records that judge nothing meanwhile."""
    for place, name in (
        (snakemake.workflow, "FilePersistence"),
        (snakemake.workflow, "DbPersistence"),
        (snakemake.jobs.Job, "output_mintime"),
    ):
        monkeypatch.setattr(place, name, vars(place)[name])
    for name, value in (("current", None), ("require_targets", None), ("forces", True)):
        monkeypatch.setattr(Records, name, value)
