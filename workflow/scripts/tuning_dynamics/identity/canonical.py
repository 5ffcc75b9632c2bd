"""What decides re-runs besides code (see `code`): settings, and files, by content."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tuning_dynamics.common.atomic_files import file_digest
from tuning_dynamics.common.paths import ROOT


def canonical(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """Compact JSON with sorted keys; a model's fields at their default are left out.

    So a key that a later version adds changes no identity until somebody sets it.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def files_digest(*paths: Path) -> str:
    """Digest of files, and of all files in folders, with their names below the repository."""
    digest = hashlib.sha256()
    inside = [found for path in paths for found in (path, *path.rglob("*"))]
    for path in sorted(path for path in inside if path.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\n{file_digest(path)}\n".encode())
    return digest.hexdigest()[:16]
