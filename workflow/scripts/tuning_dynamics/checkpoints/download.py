"""Download a revision of a hub repository: only the files needed, pinned, compared by digest.

Needs the network, but not torch. Files go to the hub client's own cache, so studies share them and
finished downloads are kept.
"""

import json
from pathlib import Path
from typing import Any

from tuning_dynamics.checkpoints.listing import Listing
from tuning_dynamics.checkpoints.revisions import (
    PICKLES,
    TOKENIZER,
    Place,
    family_listing,
    family_places,
    refuse_shared_weights,
    step_listing,
    weight_files,
)
from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.hub import HubError, patiently
from tuning_dynamics.common.hub_digest import hub_digest
from tuning_dynamics.config.family import HubFamily, family_of

#: Most bytes of a file of text that is read whole. The largest tokenizers have 40 MB.
MOST_TEXT = 1_000_000_000


def download(
    name: str,
    spec: str,
    step: int,
    *,
    others: str,
    listing: Listing,
    output: str,
    pinned: Place | None = None,
) -> None:
    """Fetch a step's files and record folder, commit and digests in `output`.

    `spec` is canonical JSON of the part of the family that the step depends on, `others` (also
    JSON) what is compared with it: the wanted steps, and those known to be equal. `pinned` is the
    record of an earlier download, whose commit is kept; by default the revision's commit is used.
    StudyError for a step that cannot be used, that has weights of another step or pickled weights
    that the family does not allow, or whose files arrive damaged.
    """
    family = HubFamily.model_validate({**json.loads(spec), **json.loads(others)})
    listed = family_listing(name, family, listing, step, pinned)
    revision = _usable(name, listed["revisions"][str(step)])
    _refuse_unfit_weights(name, family, revision)
    refuse_shared_weights(name, step, listed)
    files = _to_fetch(revision["files"])
    folder = _fetch_compared(name, revision, files)
    write_json(
        output,
        {
            "family": name,
            "step": step,
            **{key: revision[key] for key in ("repo", "revision", "commit")},
            "folder": str(folder),
            "bytes": sum(entry["bytes"] for entry in files.values()),
            "files": {file: entry["digest"] for file, entry in sorted(files.items())},
        },
    )


def download_tokenizer(name: str, spec: str, *, listing: Listing, output: str) -> None:
    """Fetch the tokenizer and config of a family's final revision, and record where they are.

    It prepares data for all checkpoints (which must share it, see `require_tokenizer`), so it must
    not depend on which checkpoints a study takes. StudyError as for `download`.
    """
    family = family_of(spec, 0)
    assert isinstance(family, HubFamily), name
    revision = _usable(name, _final(name, family, listing))
    files = {file: entry for file, entry in revision["files"].items() if file in TOKENIZER}
    folder = _fetch_compared(name, revision, files)
    write_json(
        output,
        {
            "family": name,
            **{key: revision[key] for key in ("repo", "revision", "commit")},
            "folder": str(folder),
            "files": {file: entry["digest"] for file, entry in sorted(files.items())},
        },
    )


def _final(name: str, family: HubFamily, listing: Listing) -> dict[str, Any]:
    """The last step of a family on the hub."""
    places = family_places(name, family, listing)
    if not places:
        raise StudyError(
            "the repository has no revision that the family's pattern matches",
            file=f"families/{name}.yaml",
            key="revision",
            fix="correct the pattern; it is matched against the repository's refs",
        )
    return step_listing(family, max(places), places, listing)


def _usable(name: str, revision: dict[str, Any]) -> dict[str, Any]:
    """A revision of the listing; StudyError with its problem if it has one."""
    if "problem" in revision:
        problem = revision["problem"]
        raise StudyError(
            problem["what"],
            file=f"families/{name}.yaml",
            key="revision",
            value=problem["value"],
            fix=problem["fix"],
        )
    return revision


def _refuse_unfit_weights(name: str, family: HubFamily, revision: dict[str, Any]) -> None:
    weights = weight_files(revision["files"])
    where = f"{revision['repo']} at {revision['revision']}"
    if not weights:
        raise StudyError(
            f"{where} has no weights",
            file=f"families/{name}.yaml",
            key="revision",
            value=sorted(revision["files"]),
            fix="choose another step; only safetensors (or .bin files, with `pickles`) are read",
        )
    if not family.pickles and any(PICKLES.fullmatch(file) for file in weights):
        raise StudyError(
            f"{where} has only pickled weights",
            file=f"families/{name}.yaml",
            key="pickles",
            value=sorted(weights),
            fix="choose a repository with safetensors, or set `pickles: true` to have these read "
            "as weights only (no code in them is run)",
        )


def _to_fetch(files: dict[str, Any]) -> dict[str, Any]:
    """The one set of weights that is used, and the files that go with it."""
    weights = weight_files(files)
    pickled = any(PICKLES.fullmatch(file) for file in weights)
    unused = "model.safetensors.index.json" if pickled else "pytorch_model.bin.index.json"
    return {
        file: entry
        for file, entry in files.items()
        if file in weights or (file.endswith((".json", ".jinja")) and file != unused)
    }


def _fetch_compared(name: str, revision: dict[str, Any], files: dict[str, Any]) -> Path:
    """The folder of the files, once they are downloaded, match the hub's digests, and are JSON
    where their names say so."""
    for file, entry in files.items():
        if file.endswith((".json", ".jinja")) and entry["bytes"] > MOST_TEXT:
            raise _unfit(revision, file, f"it has {entry['bytes'] / 1e6:,.0f} MB")
    folder = _fetch(name, revision, sorted(files))
    for file, entry in files.items():
        _compare(folder / file, entry, revision)
        if file.endswith(".json"):
            _require_json(folder / file, revision)
    return folder


def _require_json(path: Path, revision: dict[str, Any]) -> None:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _unfit(revision, path.name, f"it is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise _unfit(revision, path.name, "it does not hold keys and values")


def _unfit(revision: dict[str, Any], file: str, why: str) -> StudyError:
    return StudyError(
        f"a file of {revision['repo']} can't be used: {why}",
        file=file,
        key=f"{revision['repo']} at {revision['revision']}",
        value=revision["commit"],
        fix="choose another step or repository, or have its owner correct the file",
    )


def _fetch(name: str, revision: dict[str, Any], files: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    repo, commit = revision["repo"], revision["commit"]
    print(f"{repo} at {revision['revision']} ({commit}): {', '.join(files)}", flush=True)
    try:
        folder = patiently(
            f"files of {repo}",
            lambda: snapshot_download(repo, revision=commit, allow_patterns=files),
        )
    except HubError as error:
        raise StudyError(
            f"{repo} at {revision['revision']} cannot be downloaded ({error})",
            file=f"families/{name}.yaml",
            key="revision",
            value=revision["revision"],
            fix="check the connection, your access and the free disk space, and run the same "
            "command again: files that have arrived are kept",
        ) from None
    return Path(folder)


def _require_in_cache(path: Path, revision: dict[str, Any]) -> None:
    """StudyError where a file of the cache is a link out of it: such a one is neither read nor
    removed."""
    from huggingface_hub.constants import HF_HOME, HF_HUB_CACHE

    own = [Path(folder).resolve() for folder in (HF_HUB_CACHE, HF_HOME)]
    if not any(path.resolve().is_relative_to(folder) for folder in own):
        raise StudyError(
            "a file of the hub client's cache is a link to a file elsewhere",
            file=path,
            key=f"{revision['repo']} at {revision['revision']}",
            value=str(path.resolve()),
            fix="remove the link, and run the same command again to fetch the file",
        )


def _compare(path: Path, entry: dict[str, Any], revision: dict[str, Any]) -> None:
    """StudyError unless a file matches the hub's digest; a damaged one leaves the cache."""
    _require_in_cache(path, revision)
    found = hub_digest(path, entry["digest"]) if path.is_file() else "nothing"
    if found == entry["digest"]:
        return
    if path.is_file():
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    raise StudyError(
        "a downloaded file does not match the hub's digest",
        file=path,
        key=f"{revision['repo']} at {revision['revision']}",
        value={"expected": entry["digest"], "found": found},
        fix="it was removed: run the same command again to fetch it again",
    )
