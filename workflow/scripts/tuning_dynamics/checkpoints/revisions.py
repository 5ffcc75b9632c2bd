"""What a hub has of a family: its revisions by step, and the digests of their weight files.

Listed once per family, before anything is downloaded. A step that cannot be used is recorded
with the reason, so that it stops its own download and no other.
"""

import re
from typing import Any

from pydantic import TypeAdapter

from tuning_dynamics.hub.calls import HubError, patiently
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.families import HubFamily, Steps
from tuning_dynamics.study.files import write_json

#: Weight files at the top of a repository; others there are optimiser states and conversions.
SAFETENSORS = re.compile(r"model[^/]*\.safetensors")
PICKLES = re.compile(r"pytorch_model[^/]*\.bin")
#: What turns text into tokens: the tokenizer, and the config's end-of-text and context.
TOKENIZER = frozenset(
    {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
    }
)
#: What a run needs of a repository beside its weights.
BESIDE = TOKENIZER | {"generation_config.json", "model.safetensors.index.json"}

#: Where a step's weights lie: repository, revision, commit.
Place = dict[str, str]


def list_family(name: str, spec: str, output: str) -> None:
    """Write what the hub has of a family: all its steps, and the files of those wanted.

    `spec` is canonical JSON of the family with the wanted steps. StudyError where the repository
    cannot be listed at all.
    """
    family = TypeAdapter(HubFamily).validate_json(spec)
    steps = family.checkpoints.steps
    places = _by_repository(family) if family.repositories else _by_revision(name, family)
    final = max(places, default=None)
    wanted = sorted({*steps, *([final] if final is not None else [])})
    described = {str(step): _described(family, step, places) for step in wanted}
    if family.repo is not None:
        described["main"] = _files_at({"repo": family.repo, "revision": "main", "commit": "main"})
    write_json(
        output,
        {
            "steps": sorted(places),
            "final": final,
            "equal_weights": family.equal_weights,
            "revisions": described,
        },
    )


def _by_repository(family: HubFamily) -> dict[int, list[Place]]:
    return {
        step: [{"repo": repo, "revision": family.revision, "commit": family.revision}]
        for step, repo in family.repositories.items()
    }


def _by_revision(name: str, family: HubFamily) -> dict[int, list[Place]]:
    """The revisions of each step, from the repository's refs (never from a composed name)."""
    from huggingface_hub import HfApi

    repo = str(family.repo)
    try:
        refs = patiently(f"the refs of {repo}", lambda: HfApi().list_repo_refs(repo))
    except HubError as error:
        raise StudyError(
            f"the repository's revisions cannot be listed ({error})",
            file=f"families/{name}.yaml",
            key="repo",
            value=repo,
            fix="check the name, the connection and your access, or set HF_ENDPOINT",
        ) from None
    pattern = revision_pattern(family.revision)
    places: dict[int, list[Place]] = {}
    for ref in [*refs.branches, *refs.tags]:
        if match := pattern.fullmatch(ref.name):
            place = {"repo": repo, "revision": ref.name, "commit": ref.target_commit}
            places.setdefault(int(match["step"]), []).append(place)
    return places


def revision_pattern(template: str) -> re.Pattern[str]:
    """The regular expression of a family's `revision`, with the groups step and tokens."""
    text = re.escape(template)
    for found, wanted in (
        (r"\{step\}", r"(?P<step>\d+)"),
        (r"\{tokens\}", r"(?P<tokens>\d+)"),
        (r"\*", ".*"),
    ):
        text = text.replace(found, wanted)
    return re.compile(text)


def _described(family: HubFamily, step: int, places: dict[int, list[Place]]) -> dict[str, Any]:
    """A step's place and weight files, or the problem with it."""
    found = places.get(step, [])
    if not places:
        what = f"no ref of {family.repo} matches the pattern of revisions"
        return _problem(what, family.revision, "correct the key revision")
    if not found:
        near = Steps(family.tokens_per_step, tuple(sorted(places))).nearest(step)
        return _problem(
            f"no revision of {family.repo} matches step {step}",
            family.revision,
            f"the nearest step there is {near}: correct checkpoints, available or revision",
        )
    if len(found) > 1:
        names = [place["revision"] for place in found]
        fix = "make the pattern of `revision` match one of them"
        return _problem(f"{len(found)} revisions match step {step}", names, fix)
    return _files_at(found[0])


def _problem(what: str, value: Any, fix: str) -> dict[str, Any]:
    return {"problem": {"what": what, "value": value, "fix": fix}}


def _files_at(place: Place) -> dict[str, Any]:
    """The commit, and the files to fetch with digest and size; a problem where there is none."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    repo, revision = place["repo"], place["commit"]
    asked = f"{repo} at {place['revision']}"
    try:
        commit = patiently(asked, lambda: HfApi().model_info(repo, revision=revision).sha)
        tree = patiently(asked, lambda: list(HfApi().list_repo_tree(repo, revision=commit)))
    except HubError as error:
        return _problem(f"{asked} cannot be read ({error})", place["revision"], _ACCESS)
    files = {
        file.path: {
            "digest": f"sha256:{file.lfs.sha256}" if file.lfs else f"git:{file.blob_id}",
            "bytes": file.size,
        }
        for file in tree
        if isinstance(file, RepoFile) and wanted_file(file.path)
    }
    return {**place, "commit": commit, "files": files}


_ACCESS = "check the revision and your access (a gated repository needs its licence accepted)"


def wanted_file(path: str) -> bool:
    """Whether a file of a repository can be needed: never optimiser state, code, conversions."""
    return (
        path in BESIDE
        or SAFETENSORS.fullmatch(path) is not None
        or PICKLES.fullmatch(path) is not None
        or path == "pytorch_model.bin.index.json"
    )


def weight_files(files: dict[str, Any]) -> dict[str, str]:
    """Weight file -> digest: the safetensors, or the pickles where there are none."""
    for kind in (SAFETENSORS, PICKLES):
        found = {name: entry["digest"] for name, entry in files.items() if kind.fullmatch(name)}
        if found:
            return found
    return {}


def refuse_shared_weights(name: str, step: int, listing: dict[str, Any]) -> None:
    """StudyError where a step's weight files are also another revision's.

    Published repositories hold ranges of revisions that carry the final weights, or a shard of
    them. So a step that shares a file with the final step or with `main` is refused; of other
    steps that share a file it cannot be known which is right, and all are refused. The final
    step itself stands, as do groups listed in the family's `equal_weights`.
    """
    if step == listing["final"]:
        return
    own = set(weight_files(listing["revisions"][str(step)]["files"]).values())
    declared = {other for group in listing["equal_weights"] if step in group for other in group}
    for other, revision in listing["revisions"].items():
        if other == str(step) or "problem" in revision:
            continue
        same = own & set(weight_files(revision["files"]).values())
        if same and not (other.isdigit() and int(other) in declared):
            raise StudyError(
                f"step {step} has weight files of step {other}: one of the two revisions is not "
                "what its name says",
                file=f"families/{name}.yaml",
                key="checkpoints",
                value={"step": step, "same as": other, "files": sorted(same)},
                fix="take the wrong one out of checkpoints, or list the steps under "
                "equal_weights if they are known to be equal",
            )
