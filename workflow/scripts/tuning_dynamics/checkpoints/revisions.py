"""A family on the hub: its revisions by step, and the digests of their weight files.

Every download checks all steps that the study takes from its family before it fetches anything. A
step that cannot be used is listed with the reason, so that it stops only its own download.
"""

import re
from typing import Any

from pydantic import TypeAdapter

from tuning_dynamics.checkpoints.listing import Listing
from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.hub import HubError
from tuning_dynamics.config.family import HubFamily, Steps

#: Weight files at the top of a repository; others there are optimiser states and conversions. They
#: become names of files here, and patterns for the hub's client.
SAFETENSORS = re.compile(r"model[A-Za-z0-9_.-]{0,100}\.safetensors")
PICKLES = re.compile(r"pytorch_model[A-Za-z0-9_.-]{0,100}\.bin")
#: Files that define the encoding: the tokenizer, and the config's end-of-text and context.
TOKENIZER = frozenset(
    {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
    }
)
#: Files that a run needs from a repository as well as its weights.
OTHER_FILES = TOKENIZER | {"generation_config.json", "model.safetensors.index.json"}

#: Where a step's weights are: repository, revision and, if it was requested, commit.
Place = dict[str, str]

#: The places of each step: one, unless the family's pattern matches several revisions.
Places = dict[int, list[Place]]


def list_family(name: str, spec: str, *, listing: Listing, output: str) -> None:
    """Write the listing of a family on the hub: all its steps, and the files of the wanted ones.

    `spec` is canonical JSON of the family with the wanted steps. StudyError if the repository
    cannot be listed at all.
    """
    family = TypeAdapter(HubFamily).validate_json(spec)
    write_json(output, family_listing(name, family, listing))


def family_listing(
    name: str,
    family: HubFamily,
    listing: Listing,
    own: int | None = None,
    pinned: Place | None = None,
) -> dict[str, Any]:
    """All steps of a family on the hub, and the files of the wanted ones, the final one, and
    `main`.

    `own` is the step of the calling job, `pinned` the place that this step already has.
    StudyError if the repository cannot be listed at all.
    """
    places = family_places(name, family, listing)
    final = max(places, default=None)
    vital = {step for step in (own, final) if step is not None}
    if own is not None and pinned is not None:
        places[own] = [_as_pinned(place, pinned) for place in places.get(own, [])]
    revisions = {
        str(step): step_listing(family, step, places, listing, again=step in vital)
        for step in sorted({*family.checkpoints.steps, *vital})
    }
    return {
        "steps": sorted(places),
        "final": final,
        "equal_weights": family.equal_weights,
        "revisions": revisions | _main_listing(name, family, listing),
    }


def family_places(name: str, family: HubFamily, listing: Listing) -> Places:
    """The places of each step, from the repository's refs (never from a composed name)."""
    if family.repositories:
        return {
            step: [{"repo": repo, "revision": family.revision}]
            for step, repo in family.repositories.items()
        }
    pattern = revision_pattern(family.revision)
    places: Places = {}
    for place in _all_places(name, family, listing):
        if match := pattern.fullmatch(place["revision"]):
            places.setdefault(int(match["step"]), []).append(place)
    return places


def _all_places(name: str, family: HubFamily, listing: Listing) -> list[Place]:
    """Every branch and tag of a family's repository."""
    repo = str(family.repo)
    try:
        refs = listing.refs(repo)
    except HubError as error:
        raise StudyError(
            f"the repository's revisions cannot be listed ({error})",
            file=f"families/{name}.yaml",
            key="repo",
            value=repo,
            fix="check the name, the connection, your access (HF_TOKEN; a gated repository needs "
            "its licence accepted) and HF_ENDPOINT",
        ) from None
    return [{"repo": repo, "revision": ref, "commit": commit} for ref, commit in refs]


def _as_pinned(place: Place, pinned: Place) -> Place:
    """A place with the commit that a step already has of it, wherever its branch is now."""
    same = all(place[key] == pinned[key] for key in ("repo", "revision"))
    return {**place, "commit": pinned["commit"]} if same else place


def _main_listing(name: str, family: HubFamily, listing: Listing) -> dict[str, Any]:
    """The files of `main`, if the repository has one that is not a step."""
    if family.repositories:
        return {}
    places = _all_places(name, family, listing)
    found = [place for place in places if place["revision"] == "main"]
    return {"main": _files_at(found[0], listing, again=True)} if found else {}


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


def step_listing(
    family: HubFamily, step: int, places: Places, listing: Listing, *, again: bool = True
) -> dict[str, Any]:
    """A step's place with commit and files, or the problem with it; `again` as Listing.files."""
    found = places.get(step, [])
    if not places:
        what = f"no ref of {family.repo} matches the pattern of revisions"
        return _problem(what, family.revision, "correct the key revision")
    if not found:
        near = Steps(family.tokens_per_step, tuple(sorted(places))).nearest(step)
        return _problem(
            f"no revision of {family.repo} matches step {step}",
            family.revision,
            f"the nearest step is {near}: correct checkpoints, available or revision",
        )
    if len(found) > 1:
        names = [place["revision"] for place in found]
        fix = "make the pattern of `revision` match one of them"
        return _problem(f"{len(found)} revisions match step {step}", names, fix)
    return _files_at(found[0], listing, again=again)


def _problem(what: str, value: Any, fix: str) -> dict[str, Any]:
    return {"problem": {"what": what, "value": value, "fix": fix}}


def _files_at(place: Place, listing: Listing, *, again: bool) -> dict[str, Any]:
    """The commit, and the files to fetch with digest and size; a problem if there are none."""
    repo, revision = place["repo"], place["revision"]
    try:
        commit = place.get("commit") or listing.commit(repo, revision, again=again)
        files = listing.files(repo, commit, again=again)
    except HubError as error:
        return _problem(f"{repo} at {revision} cannot be read ({error})", revision, _ACCESS)
    wanted = {path: entry for path, entry in files.items() if wanted_file(path)}
    return {**place, "commit": commit, "files": wanted}


_ACCESS = (
    "check the revision and your access (HF_TOKEN; a gated repository needs its licence accepted)"
)


def wanted_file(path: str) -> bool:
    """Whether a file of a repository may be needed: never optimiser state, code, conversions."""
    return (
        path in OTHER_FILES
        or SAFETENSORS.fullmatch(path) is not None
        or PICKLES.fullmatch(path) is not None
        or path == "pytorch_model.bin.index.json"
    )


def weight_files(files: dict[str, Any]) -> dict[str, str]:
    """Weight file -> digest: the safetensors, or the pickles if there are none."""
    for kind in (SAFETENSORS, PICKLES):
        found = {name: entry["digest"] for name, entry in files.items() if kind.fullmatch(name)}
        if found:
            return found
    return {}


def refuse_shared_weights(name: str, step: int, listing: dict[str, Any]) -> None:
    """StudyError if a step's weight files are also another revision's.

    Published repositories have ranges of revisions with the final weights, or a shard of them. So
    a step that shares a file with the final step or with `main` is refused; if other steps share a
    file, it cannot be known which is right, and all are refused. The final step itself is accepted,
    as are groups listed in the family's `equal_weights`. A step with a problem of its own is not
    compared with; the final one and `main` must be.
    """
    if step == listing["final"]:
        return
    own = set(weight_files(listing["revisions"][str(step)]["files"]).values())
    declared = {other for group in listing["equal_weights"] if step in group for other in group}
    for other, revision in listing["revisions"].items():
        if other == str(step):
            continue
        if "problem" in revision:
            _refuse_unknown(name, other, revision, vital={str(listing["final"]), "main"})
            continue
        same = own & set(weight_files(revision["files"]).values())
        if same and not (other.isdigit() and int(other) in declared):
            raise StudyError(
                f"step {step} has weight files of step {other}: one of the two revisions is not "
                "what its name says",
                file=f"families/{name}.yaml",
                key="checkpoints",
                value={"step": step, "same as": other, "files": sorted(same)},
                fix="remove the wrong one from checkpoints, or list the steps under "
                "equal_weights if they are known to be equal",
            )


def _refuse_unknown(name: str, other: str, revision: dict[str, Any], vital: set[str]) -> None:
    """StudyError if the files of a vital `other` are unknown; else print that."""
    what = f"step {other} cannot be compared with: {revision['problem']['what']}"
    if other in vital:
        raise StudyError(
            what,
            file=f"families/{name}.yaml",
            key="revision",
            value=revision["problem"]["value"],
            fix=revision["problem"]["fix"],
        )
    print(what, flush=True)
