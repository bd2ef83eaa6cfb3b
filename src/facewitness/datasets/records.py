"""What every data set is read into: records, and what is known of the set as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from facewitness.errors import ConfigError
from facewitness.records import Label

MediaKind = Literal["video", "image", "frames", "audio", "hdf5"]
"""``frames`` is a folder of pictures in the order of their names or, where several videos share a folder, what the
names of one begin with and ``*``; ``hdf5`` is a file with one video per group."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Record:
    """One video, picture, folder of frames or sound of a data set.

    Attributes:
        path: Below the set's root, with ``/``; for ``hdf5`` the file, then ``#``, then the group.
        video_id: Unique in the set, manipulation and compression included: ``Deepfakes/c23/000_003``. Pictures that
            stand alone have their own.
        label: 0 real, 1 fake: the label of what a picture detector sees, so that of ``video_label`` where both exist.
        dataset: The set as its authors spell it in tables.
        kind: What ``path`` is.
        split: ``train``, ``val``, ``test``, or empty where the set has none.
        identities: Whom it shows or was made from, ids of people; for a swap the one whose video it is, then
            the one whose face was put in. Empty where the set does not say.
        sources: Ids of the source videos, for a fake those it was made from, for a real its own: what splits must
            not share.
        manipulation: Method as the set spells it; empty for reals.
        compression: ``raw``, ``c23``, ``c40`` or as the set spells it; empty where there is one only.
        video_label: Label of the picture track where the set labels picture and sound apart.
        audio_label: Label of the sound.
        mask_path: Below the root; forged area as picture, video or folder; empty where there is none.
        metadata: Whatever else the set says.

    Raises:
        ConfigError: If the kind or the split is unknown, or the path is empty, absolute or leaves the root.
    """

    path: str
    video_id: str
    label: Label
    dataset: str
    kind: MediaKind = "video"
    split: str = ""
    identities: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    manipulation: str = ""
    compression: str = ""
    video_label: Label | None = None
    audio_label: Label | None = None
    mask_path: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values."""
        if self.kind not in get_args(MediaKind) or self.split not in ("", *SPLITS):
            msg = f"{self.path}: kind must be one of {get_args(MediaKind)} and split one of {('', *SPLITS)}, "
            raise ConfigError(msg + f"got {self.kind!r} and {self.split!r}")
        for path in (self.path, self.mask_path):
            if path.startswith("/") or ".." in path.split("/"):
                msg = f"a record's path must lie below the set's root, got {path!r}"
                raise ConfigError(msg)
        if not self.path or not self.video_id:
            msg = f"a record needs a path and a video id, got {self.path!r} and {self.video_id!r}"
            raise ConfigError(msg)

    def to_dict(self) -> dict[str, Any]:
        """JSON types only; `from_dict` turns it back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """A record from `to_dict`.

        Raises:
            ConfigError: If a field is missing, unknown, or does not fit.

        Example:
            >>> record = Record("a.mp4", "a", Label.FAKE, "made", identities=("x", "y"))
            >>> Record.from_dict(record.to_dict()) == record
            True
        """
        try:
            plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
            for name in ("label", "video_label", "audio_label"):
                if plain.get(name) is not None:
                    plain[name] = Label(plain[name])
            return cls(**plain)
        except (TypeError, ValueError) as error:
            msg = f"this is no record of a data set: {error}"
            raise ConfigError(msg) from error


@dataclass(frozen=True)
class DatasetInfo:
    """What a user must know of a set before using it.

    Attributes:
        title: As its authors spell it in tables.
        paper: Citation in one line.
        licence: Terms in words; read them at the source.
        apply_at: Where the set is to be had.
        tree: Folder tree that ``index`` expects, one path per line.
        splits: Official splits.
        notes: Quirks that matter: odd labels, lists, names.
    """

    title: str
    paper: str
    licence: str
    apply_at: str
    tree: str
    splits: tuple[str, ...] = SPLITS
    notes: str = ""
