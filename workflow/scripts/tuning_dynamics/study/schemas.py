"""The JSON schemas of the config files, from which editors complete keys.

`python -m tuning_dynamics.study.schemas FOLDER` (with `workflow/scripts` on PYTHONPATH) writes
them; a test keeps `workflow/schemas/` in step with the models.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tuning_dynamics.plan.devices import Device
from tuning_dynamics.study.datasets import Dataset, Task
from tuning_dynamics.study.families import Family
from tuning_dynamics.study.models import Study
from tuning_dynamics.study.recipes import Recipe

MODELS: dict[str, Any] = {
    "study": Study,
    "family": Family,
    "dataset": Dataset,
    "task": Task,
    "recipe": Recipe,
    "device": Device,
}


def schema(name: str) -> str:
    """The JSON schema of a kind of config file, as text."""
    return json.dumps(TypeAdapter(MODELS[name]).json_schema(), indent=1) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every schema into `folder`."""
    for name in MODELS:
        (folder / f"{name}.json").write_text(schema(name), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
