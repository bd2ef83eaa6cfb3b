"""facewitness: is a face genuine, where does it look forged, and why?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from facewitness.pipeline import analyze as analyze
    from facewitness.records import Label as Label
    from facewitness.records import Report as Report
    from facewitness.records import Verdict as Verdict
    from facewitness.records import VerdictLabel as VerdictLabel

__all__ = ["Label", "Report", "Verdict", "VerdictLabel", "__version__", "analyze"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that ``import facewitness`` stays fast."""
    if name == "analyze":
        from facewitness.pipeline import analyze

        return analyze
    if name in __all__:
        from facewitness import records

        return getattr(records, name)
    msg = f"module 'facewitness' has no attribute {name!r}"
    raise AttributeError(msg)
