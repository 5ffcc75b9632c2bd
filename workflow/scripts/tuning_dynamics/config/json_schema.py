"""The JSON schemas of the config files, from which editors complete keys.

`python -m tuning_dynamics.config.json_schema FOLDER` (with `workflow/scripts` on PYTHONPATH) writes
them; a test keeps `workflow/schemas/` in step with the models.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tuning_dynamics.common.docstrings import field_docstrings
from tuning_dynamics.config.base import Strict
from tuning_dynamics.config.dataset import Dataset, Task
from tuning_dynamics.config.device import Device
from tuning_dynamics.config.family import Family
from tuning_dynamics.config.recipe import Recipe
from tuning_dynamics.config.study import Study

MODELS: dict[str, Any] = {
    "study": Study,
    "family": Family,
    "dataset": Dataset,
    "task": Task,
    "recipe": Recipe,
    "device": Device,
}


def schema(name: str) -> str:
    """The JSON schema of a kind of config file, as text; field docstrings are descriptions."""
    document = TypeAdapter(MODELS[name]).json_schema()
    # Two models may share a name, but not their fields too.
    # Models that `choice` makes have no source.
    own = [model for model in Strict.__subclasses__() if model.__module__ != Strict.__module__]
    models = {(model.__name__, *model.model_fields): model for model in own}
    for part in [document, *document.get("$defs", {}).values()]:
        model = models.get((part.get("title"), *part.get("properties", ())))
        if model is not None:
            _describe(part["properties"], field_docstrings(model))
    return json.dumps(document, indent=1) + "\n"


def _describe(properties: dict[str, Any], texts: dict[str, str]) -> None:
    for name, text in texts.items():
        properties[name] = dict(sorted({**properties[name], "description": text}.items()))


def write_schemas(folder: Path) -> None:
    """Write every schema into `folder`."""
    for name in MODELS:
        (folder / f"{name}.json").write_text(schema(name), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
