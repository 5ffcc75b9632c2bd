"""Checkpoints that exist already: local folders and revisions of a hub repository."""

import re
from pathlib import Path
from typing import Any

from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import text_loss, weight_digests
from tuning_dynamics.data.encode import load_encoder
from tuning_dynamics.engine.hardware import prepare_device
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.execution import Execution
from tuning_dynamics.study.families import HubFamily, LocalFamily, family_of
from tuning_dynamics.study.files import write_json
from tuning_dynamics.study.paths import fill_root

#: All that a run needs of a repository: no optimiser state, no pickles, no other frameworks.
NEEDED = ["config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json"]
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]

#: Every checkpoint that was not pre-trained here records its loss on this text, so that a
#: series of them shows the one that is not what its name says.
FIXED_TEXT = Path(__file__).with_name("fixed_text.txt")


def import_local(
    name: str, spec: str, step: int, *, data_root: str | None, execution: Execution, manifest: str
) -> None:
    """Check a local checkpoint and write its manifest; the weights stay where they are."""
    family = family_of(spec, step)
    assert isinstance(family, LocalFamily), name
    file = f"families/{name}.yaml"
    folder = Path(fill_root(family.path.replace("{step}", str(step)), data_root, file))
    if not folder.is_dir():
        raise StudyError(
            "the checkpoint's folder does not exist",
            file=file,
            key="path",
            value=str(folder),
            fix="check path, data_root and the step",
        )
    tokens = int(step * family.tokens_per_step)
    record = {"family": name, "step": step, "tokens": tokens, "source": "local"}
    _check_and_write(record, folder.resolve(), execution, manifest)


def download(name: str, spec: str, step: int, *, execution: Execution, manifest: str) -> None:
    """Find a step's revision, download what is needed of it, check it, write its manifest.

    Files go to the hub client's own cache, so studies share them and a broken download
    continues. The manifest pins the commit.
    """
    from huggingface_hub import snapshot_download

    family = family_of(spec, step)
    assert isinstance(family, HubFamily), name
    revision, commit, tokens = find_revision(name, family, step)
    folder = Path(
        snapshot_download(family.repo, revision=commit, allow_patterns=[*NEEDED, *TOKENIZER])
    )
    record = {
        "family": name,
        "step": step,
        "tokens": tokens,
        "source": "hub",
        "repo": family.repo,
        "revision": revision,
        "commit": commit,
    }
    _check_and_write(record, folder, execution, manifest)


def find_revision(name: str, family: HubFamily, step: int) -> tuple[str, str, int]:
    """(revision, commit, tokens) of a step, from the repository's refs.

    StudyError where none or several match. Token counts in revisions' names are rounded, so
    tokens come from the step and `tokens_per_step`.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        refs = HfApi().list_repo_refs(family.repo)
    except (HfHubHTTPError, OSError) as error:
        raise StudyError(
            f"the repository's revisions cannot be listed ({' '.join(str(error).split())[:200]})",
            file=f"families/{name}.yaml",
            key="repo",
            value=family.repo,
            fix="check the name and the connection, or set HF_ENDPOINT",
        ) from None
    pattern = revision_pattern(family.revision)
    found = [
        (ref.name, ref.target_commit)
        for ref in [*refs.branches, *refs.tags]
        if (match := pattern.fullmatch(ref.name)) and int(match["step"]) == step
    ]
    if len(found) != 1:
        raise StudyError(
            f"{len(found)} revisions of {family.repo} match step {step}",
            file=f"families/{name}.yaml",
            key="revision",
            value=family.revision if not found else [revision for revision, _ in found],
            fix="correct the pattern or the step",
        )
    (revision, commit) = found[0]
    return revision, commit, int(step * family.tokens_per_step)


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


def _check_and_write(
    record: dict[str, Any], folder: Path, execution: Execution, manifest: str
) -> None:
    device = prepare_device(execution.device)
    model = load_model(folder, None, device)
    encoder = load_encoder(folder)
    texts = FIXED_TEXT.read_text(encoding="utf-8").strip().split("\n\n")
    context = int(model.config.max_position_embeddings)  # type: ignore[union-attr, arg-type]
    write_json(
        manifest,
        {
            **record,
            "folder": str(folder),
            "adapter": None,
            "digests": weight_digests(folder),
            "text_loss": text_loss(model, encoder, texts, context, device),
        },
    )
