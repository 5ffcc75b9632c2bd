"""Scores of one model on one set by lm-evaluation-harness and by this project, item by item.

The harness runs its own task definitions (prompts, options, clean-up); only the place of the rows
is changed. This project freezes the same rows with its own dataset file.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.config.load import parse, read_yaml
from tuning_dynamics.data.freeze import freeze_from_spec
from tuning_dynamics.data.items import read_items
from tuning_dynamics.data.prompts import render
from tuning_dynamics.evaluate.cell import predict
from tuning_dynamics.evaluate.loglikelihood import option_scores
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.evaluate.prompts import make_prompts
from tuning_dynamics.evaluate.request import CellRequest

CONFIG = Path(__file__).parents[2] / "config"

#: Dataset of this project -> task of the harness. Its boolq reads rows with a number as label.
TASKS = {
    "arc_easy": "arc_easy",
    "arc_challenge": "arc_challenge",
    "openbookqa": "openbookqa",
    "hellaswag": "hellaswag",
    "sciq_mc": "sciq",
    "boolq": "boolq",
}
#: Where the harness defines them.
FILES = {
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "sciq_mc": "sciq/sciq.yaml",
    "boolq": "super_glue/boolq/default.yaml",
}
#: Prediction method -> the harness's metric.
METRICS = {
    "likelihood": "acc",
    "likelihood_per_char": "acc_norm",
    "likelihood_pmi": "acc_mutual_info",
}

Row = dict[str, Any]
#: (prompt, option) -> log-likelihood in nats.
Scores = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Result:
    """A set's log-likelihoods, the same less the option's own without a prompt, and accuracies by
    prediction method."""

    scores: Scores
    mutual: Scores
    accuracies: dict[str, float]


@dataclass(frozen=True)
class Rows:
    """A set's rows as files: `train` for demonstrations, `evaluation` to score."""

    train: Path
    evaluation: Path


def write_rows(path: Path, rows: list[Row]) -> Path:
    """Rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def harness_row(dataset: str, row: Row) -> Row:
    """A row in the schema that the harness's task reads."""
    return {**row, "label": int(row["answer"])} if dataset == "boolq" else row


def by_harness(harness: Any, rows: dict[str, Rows], shots: int = 0) -> dict[str, Result]:
    """Each set's result by lm-evaluation-harness; `harness` is its model object.

    With `shots`, the demonstrations are the first training rows.
    """
    import lm_eval
    from lm_eval.tasks import TaskManager

    tasks: list[Any] = [str(_task(dataset, files, shots)) for dataset, files in rows.items()]
    found = lm_eval.simple_evaluate(
        model=harness,
        tasks=tasks,
        num_fewshot=shots,
        bootstrap_iters=0,
        log_samples=True,
        # The tasks are given as files: reading the thousands of others would take seconds.
        task_manager=TaskManager(include_defaults=False),
    )
    return {
        dataset: Result(
            *_harness_scores(found["samples"][TASKS[dataset]]),
            {
                method: found["results"][TASKS[dataset]][f"{metric},none"]
                for method, metric in METRICS.items()
            },
        )
        for dataset in rows
    }


def _task(dataset: str, files: Rows, shots: int) -> Path:
    """A file that includes the harness's own task and changes the place of its rows."""
    import lm_eval

    own = Path(lm_eval.__file__).parent / "tasks" / FILES[dataset]
    splits = {"train": str(files.train), "validation": str(files.evaluation)}
    task: Row = {
        "include": str(own),
        "task": TASKS[dataset],
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {
            "data_files": {**splits, "test": str(files.evaluation)},
            "cache_dir": str(files.evaluation.with_name("cache")),
        },
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in METRICS.values()
        ],
    }
    if shots:
        task["fewshot_config"] = {"sampler": "first_n"}
    path = files.evaluation.with_name(f"{TASKS[dataset]}_{shots}.yaml")
    path.write_text(yaml.safe_dump(task), encoding="utf-8")
    return path


def _harness_scores(samples: list[Row]) -> tuple[Scores, Scores]:
    scores: Scores = {}
    mutual: Scores = {}
    for sample in samples:
        found = [float(score) for ((score, _),) in sample["resps"]]
        # First each option after the prompt, then, for mutual information, each without it.
        options = len(found) // 2
        for place, (context, option) in enumerate(sample["arguments"][:options]):
            key = (context, option.removeprefix(" "))
            scores[key] = found[place]
            mutual[key] = found[place] - found[options + place]
    return scores, mutual


def by_project(model: LoadedModel, rows: dict[str, Rows], folder: Path, shots: int = 0) -> Any:
    """Each set's result by this project's own path from rows to predictions."""
    return {
        dataset: _project_result(model, dataset, files, folder / dataset, shots)
        for dataset, files in rows.items()
    }


def freeze(dataset: str, files: Rows, folder: Path) -> Path:
    """The frozen items of a set whose rows are in files instead of on the hub."""
    description = read_yaml(CONFIG / "datasets" / f"{dataset}.yaml")
    paths = {"train": str(files.train), "evaluation": str(files.evaluation)}
    description["source"] = {"files": paths}
    folder.mkdir(parents=True, exist_ok=True)
    spec = {
        "dataset": parse(Dataset, description, dataset).model_dump(mode="json"),
        "kind": "multiple_choice",
        "seed": 0,
        "train_items": 1,
        "evaluation_items": None,
    }
    freeze_from_spec(dataset, spec, None, folder / "items.parquet", folder / "manifest.json")
    return folder / "items.parquet"


def template(dataset: str) -> str:
    """The default format of a set."""
    description = yaml.safe_load((CONFIG / "datasets" / f"{dataset}.yaml").read_text())
    task = yaml.safe_load((CONFIG / "tasks" / f"{description['task']}.yaml").read_text())
    return str({**task["formats"], **description.get("formats", {})}["default"])


def _project_result(
    model: LoadedModel, dataset: str, files: Rows, folder: Path, shots: int
) -> Result:
    path = freeze(dataset, files, folder)
    items = read_items(path, "evaluation")
    accuracies = {}
    scores: dict[str, Scores] = {}
    for method in METRICS:
        request = _request(dataset, path, shots, method)
        prompts = make_prompts(request, items, model.encoder, model.context)
        answers = predict(model, request, prompts, 4096)
        right = [a.prediction == item.target for a, item in zip(answers, items, strict=True)]
        accuracies[method] = sum(right) / len(right)
        scored = zip(prompts, option_scores(model, request, prompts, 4096), strict=True)
        scores[method] = {
            (prompt.text, option): score
            for prompt, row in scored
            for option, score in zip(prompt.item.options, row, strict=True)
        }
    return Result(scores["likelihood"], scores["likelihood_pmi"], accuracies)


def _request(dataset: str, items: Path, shots: int, method: str) -> CellRequest:
    return CellRequest(
        eval_set=dataset,
        kind="multiple_choice",
        template=template(dataset),
        items=str(items),
        demonstrations=str(items),
        shots=shots,
        prediction=method,
        truncation="refuse",
        max_new_tokens=1,
        labels=(),
        out="",
    )


def demonstration_rows(dataset: str, items: Path, rows: list[Row], shots: int) -> list[Row]:
    """The rows that the first demonstrations of frozen items were made of, in their order."""
    shown = [render(template(dataset), i.fields) for i in read_items(items, "demonstration")]
    by_prompt = {render(template(dataset), {"question": row["question"]}): row for row in rows}
    return [by_prompt[prompt] for prompt in shown[:shots]]


def largest_difference(ours: Result, theirs: Result) -> float:
    """Largest absolute difference in nats of a score; AssertionError if a text differs."""
    assert set(ours.scores) == set(theirs.scores), sorted(set(ours.scores) ^ set(theirs.scores))[:2]
    pairs = [(ours.scores, theirs.scores), (ours.mutual, theirs.mutual)]
    return max(abs(one[key] - other[key]) for one, other in pairs for key in one)
