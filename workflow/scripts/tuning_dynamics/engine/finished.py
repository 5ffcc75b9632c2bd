"""What a finished training job wrote, kept so that no run trains twice.

Snakemake deletes the outputs of a job that it counts as failed, and on a cluster that is more
than jobs that failed: all members of a group of which one did, all of a group that SLURM starts
again on another node, and what was running when Snakemake itself was killed. The files stay
under scratch/ as hard links, which take no space, and a job that is asked for the same once more
puts them back.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tuning_dynamics.study.files import whole_file

_FOLDER, _IDENTITY = "finished", "identity"


class Finished:
    """The kept outputs of one job.

    `identity` is everything that they depend on: outputs of another identity are not put back.
    """

    def __init__(self, scratch: Path, identity: str, outputs: Iterable[Path]) -> None:
        self.folder, self.identity = scratch / _FOLDER, identity
        self.outputs = list(outputs)

    def recall(self) -> bool:
        """Put the kept outputs in place; whether there were any of this identity."""
        kept = self.folder / _IDENTITY
        if not kept.is_file() or kept.read_text(encoding="utf-8") != self.identity:
            return False
        for output in self.outputs:
            _link(self.folder / output.name, output)
        print("outputs kept from an earlier run", flush=True)
        return True

    def keep(self) -> None:
        """Keep the outputs, in place of those of another identity."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for output in self.outputs:
            _link(output, self.folder / output.name)
        # Last: a folder without it, as a job that is killed here leaves, is of no identity.
        with whole_file(self.folder / _IDENTITY) as temporary:
            temporary.write_text(self.identity, encoding="utf-8")

    @staticmethod
    def drop(scratch: Path) -> None:
        """Forget a job's outputs: they are of no more use."""
        shutil.rmtree(scratch / _FOLDER, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """Further names for a file, or for all files of a folder, in place of what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        target.hardlink_to(source)
