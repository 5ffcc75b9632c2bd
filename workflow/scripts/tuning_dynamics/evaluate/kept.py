"""Records of evaluated cells, kept so that no run evaluates a cell twice.

Snakemake sees a variant's server and its cells as one group: when a run is killed, or one cell
fails, it deletes the files of them all. The records stay under scratch/ as hard links, which
take no space, and the next server finds them there.
"""

import hashlib
import json
import os
from pathlib import Path

from tuning_dynamics.evaluate.request import CellRequest
from tuning_dynamics.study.files import file_digest, read_json


class KeptCells:
    """The kept records of one variant's cells.

    A record is found by everything it depends on: the request, the items' and demonstrations'
    content, the weights' digests, and `code`, the digest of the evaluation's code.
    """

    def __init__(self, folder: Path, manifest: str | Path, code: str) -> None:
        self.folder = folder
        self.origin = [read_json(manifest)["digests"], code]

    def recall(self, request: CellRequest) -> bool:
        """Put a kept record at the request's `out`; whether there was one."""
        path = self._path(request)
        if not path.is_file():
            return False
        _link(path, Path(request.out))
        return True

    def keep(self, request: CellRequest) -> None:
        """Keep the record at the request's `out`."""
        path = self._path(request)
        path.parent.mkdir(parents=True, exist_ok=True)
        _link(Path(request.out), path)

    def _path(self, request: CellRequest) -> Path:
        data = [file_digest(path) for path in (request.items, request.demonstrations) if path]
        identity = json.dumps([self.origin, request.key(), data], sort_keys=True)
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()}.parquet"


def _link(source: Path, target: Path) -> None:
    """A second name for a file, put in place whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)
    temporary.hardlink_to(source)
    temporary.replace(target)
    # Two names of one file replace each other without effect; the temporary one then stays.
    temporary.unlink(missing_ok=True)
