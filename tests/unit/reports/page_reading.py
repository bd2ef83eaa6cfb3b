"""Reads a report page the strict way: every element closed, every attribute once; what it links to is listed."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Elements, texts and pictures of a page; raises where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {tag} {names}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert "svg" in self._open, f"<{tag}/> outside a drawing"
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> closes <{self._open[-1]}>"
        self._open.pop()

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """Attributes of every such element; ``class_`` asks for one class."""
        found = [attrs for name, attrs in self.elements if name == tag]
        for key, value in wanted.items():
            found = [a for a in found if value in a.get(key.rstrip("_"), "").split()]
        return found

    @property
    def words(self) -> str:
        """All text that is read, spaces made single."""
        return " ".join(" ".join(data for tag, data in self.texts if tag not in ("style", "script")).split())

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]


def picture_of(uri: str) -> np.ndarray:
    """The picture in a data URI, ``(H, W, 3)`` or ``(H, W, 4)`` uint8."""
    head, _, data = uri.partition(",")
    assert head in ("data:image/jpeg;base64", "data:image/webp;base64")
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
        return np.asarray(picture)
