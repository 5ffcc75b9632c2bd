"""The figures of a page: their captions, and how they are embedded."""

import base64
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.grid.figures import THEMES, StudyFigure
from tuning_dynamics.report.captions import caption_html, plain_text

#: The kinds of figure that show a finding of findings.csv, the best first.
SHOWS: dict[str, tuple[str, ...]] = {
    "forgetting": ("forgetting", "transfer_heat_map"),
    "format_sensitivity": ("format_trend", "sensitivity"),
    "latent_gain": ("latent_gain",),
    "dichotomy": ("change_by_group",),
    "turning_point": ("turning_points", "base_by_checkpoint"),
    "group_rules": ("group_rules",),
    "denominators": ("denominators",),
    "noise_floor": ("noise",),
}

#: Characters of an SVG that need no escape in a data URI.
_KEPT = " !$'()*+,-./:;=?@_~[]{}|^"

#: Parts of an SVG that are not visible.
_NOT_SHOWN = r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->"

#: Above this many characters an SVG is embedded as its PNG if that is smaller.
_LARGE = 400_000


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    `caption` is HTML. `source` is a data URI if the figure is embedded (`inside`) in the page,
    else a path. `width` and `height` are in CSS pixels; `files` are paths by kind of
    file. Paths are relative to the page.
    """

    figure: StudyFigure
    caption: str
    source: str
    inside: bool
    width: int
    height: int
    files: Mapping[str, str]

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return f"figure-{self.figure.family}-{self.figure.name}"

    @property
    def subject(self) -> str:
        """What the figure is about, in words."""
        tuned_on = f", tuned on {self.figure.train_set}" if self.figure.train_set else ""
        return self.figure.family + tuned_on

    @property
    def label(self) -> str:
        """Its title and subject."""
        return f"{self.figure.title}, {self.figure.family}"

    @property
    def alternative(self) -> str:
        """Its alternative text: label and the caption's first sentence."""
        first = re.split(r"(?<=[.;]) ", plain_text(self.caption), maxsplit=1)[0]
        return f"{self.label}. {first}"


def pictures(
    figures: Iterable[tuple[StudyFigure, Path]], page: Path, captions: Path, room: int
) -> list[Picture]:
    """The figures and their SVG files as pictures of the page at `page`, in their order.

    They are embedded until `room` characters are used, those of findings first; the others are
    shown from their files, so the page must not be moved alone. `captions` is the folder of the
    captions. StudyError for a figure without a caption, or one that is not an SVG of ours.
    """
    listed = list(figures)
    inside: dict[str, str] = {}
    shown = {kind for kinds in SHOWS.values() for kind in kinds}
    for _, path in sorted(listed, key=lambda pair: pair[0].kind not in shown):
        uri = _embedded(path)
        if len(uri) <= room:
            inside[str(path)] = uri
            room -= len(uri)
    return [
        _picture(figure, path, inside.get(str(path)), page, captions) for figure, path in listed
    ]


def _picture(
    figure: StudyFigure, path: Path, uri: str | None, page: Path, captions: Path
) -> Picture:
    files = existing_files(path, page, "svg", "pdf", "png")
    caption = caption_html(captions / figure.caption)
    return Picture(figure, caption, uri or files["svg"], uri is not None, *_size(path), files)


def themes(found: Sequence[Picture]) -> dict[str, list[list[Picture]]]:
    """The pictures by theme, those of one kind together."""
    kinds = dict.fromkeys(picture.figure.kind for picture in found)
    grouped = [[own for own in found if own.figure.kind == kind] for kind in kinds]
    by_theme = {theme: [own for own in grouped if own[0].figure.theme == theme] for theme in THEMES}
    return {theme: own for theme, own in by_theme.items() if own}


def shows(finding: str, family: str, found: Sequence[Picture]) -> Picture | None:
    """The picture that shows a finding of a family; None if the study has none."""
    own = {picture.figure.kind: picture for picture in found if picture.figure.family == family}
    return next((own[kind] for kind in SHOWS.get(finding, ()) if kind in own), None)


def existing_files(path: Path, page: Path, *suffixes: str) -> dict[str, str]:
    """The files that differ from `path` in their suffix and exist, relative to the page."""
    files = {suffix: path.with_suffix(f".{suffix}") for suffix in suffixes}
    return {
        suffix: quote(os.path.relpath(file, page.parent))
        for suffix, file in files.items()
        if file.is_file()
    }


def _embedded(svg: Path) -> str:
    """A data URI of a figure."""
    # An SVG does not need these parts, and a line break would take three characters in a URI.
    text = re.sub(_NOT_SHOWN, "", _text(svg), flags=re.S)
    uri = "data:image/svg+xml," + quote(re.sub(r"\s+", " ", text).strip(), safe=_KEPT)
    png = svg.with_suffix(".png")
    if len(uri) <= _LARGE or not png.is_file() or png.stat().st_size * 4 / 3 > len(uri):
        return uri
    return f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode('ascii')}"


def _size(svg: Path) -> tuple[int, int]:
    """Width and height of a figure in CSS pixels (four pixels are three points)."""
    box = re.search(r'<svg [^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"', _text(svg))
    if box is None:
        raise StudyError(
            "a figure does not state its size", file=svg, fix="delete it and draw it again"
        )
    return round(float(box[1]) * 4 / 3), round(float(box[2]) * 4 / 3)


def _text(svg: Path) -> str:
    return svg.read_text(encoding="utf-8")
