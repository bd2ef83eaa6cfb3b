"""One tree of errors, so that a caller can catch `FacewitnessError` and nothing else.

* FacewitnessError
  - UnknownNameError          a name that no registry holds
  - ConfigError               a setting with a wrong name, type or range
  - MediaError                a file that cannot be decoded (missing, empty, truncated, not media)
    - LimitExceededError      a file beyond the limits on bytes, pixels, frames, duration or time
  - FaceError                 landmarks or crops asked for where there is no usable face
  - CheckpointError           a checkpoint that does not fit the model, key by key
  - WeightsError              a weights file that is missing or not the one its record names
  - EndpointError             a model server that is down, slow, refuses, or answers nonsense
  - MissingExtraError         a feature whose optional packages are not installed

A message names what was expected, what came and what to do about it.
"""

from __future__ import annotations


class FacewitnessError(Exception):
    """Base of every error that this package raises on purpose."""


class UnknownNameError(FacewitnessError, KeyError):
    """A name that no registry holds; the message lists the known ones."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the repr


class ConfigError(FacewitnessError, ValueError):
    """A setting with an unknown name, a wrong type or a value out of range."""


class MediaError(FacewitnessError, ValueError):
    """A file that cannot be decoded: missing, empty, truncated or not what its name says."""


class LimitExceededError(MediaError):
    """A file beyond the limits on bytes, pixels, frames, duration or wall time."""


class FaceError(FacewitnessError, ValueError):
    """Landmarks or crops asked for where there is no usable face."""


class CheckpointError(FacewitnessError, ValueError):
    """A checkpoint whose keys or shapes do not fit the model."""


class WeightsError(FacewitnessError, ValueError):
    """A weights file that is missing or is not the one that its record names."""


class EndpointError(FacewitnessError, RuntimeError):
    """A model server that cannot be reached, takes too long, refuses, or answers something that is no answer."""


class MissingExtraError(FacewitnessError, ImportError):
    """A feature whose optional packages are not installed; the message holds the install command."""
