"""What a run printed and displayed, put in order: updates in place, clears, one screen for text."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from typing import Any

from lepton_jlab.runs.views.screen import Screen

Message = Mapping[str, Any]

LINES = 200
_RICHEST = 12  # pictures and the like that are drawn; the last ones
_LARGEST = 1_500_000  # characters of one of them
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(slots=True)
class Rich:
    """A MIME bundle."""

    data: Mapping[str, Any]
    display_id: str | None = None


@dataclass(slots=True)
class Output:
    """Everything that a run has to show, as blocks from top to bottom."""

    blocks: list[Screen | Rich] = field(default_factory=list)
    traceback: list[str] = field(default_factory=list)
    cut: bool = False  # there is more before the first block
    _clear_next: bool = False

    def html(self, *, lines: int = LINES, rest: str = "") -> str:
        """Return the blocks as HTML.

        Parameters
        ----------
        lines
            How many lines of text are kept, from the end.
        rest
            HTML that says where lines that are left out can be seen.
        """
        left, parts = lines, []
        rich = 0
        for block in reversed(self.blocks):
            if isinstance(block, Rich):
                rich += 1
                if rich <= _RICHEST:
                    parts.append(f"<div>{_rich_html(block.data)}</div>")
            elif len(block):
                shown = block.html(left)
                left -= len(shown)
                if shown:
                    parts.append(_scrolled(shown))
        if notice := self._hidden(self.lines - lines):
            parts.append(f"<p><i>{notice}. {rest}</i></p>")
        if rich > _RICHEST:
            parts.append(f"<p><i>… {rich - _RICHEST} earlier displays. {rest}</i></p>")
        return "".join(reversed(parts))

    def text(self, *, lines: int = LINES) -> str:
        """Return the last `lines` lines as plain text."""
        kept: list[str] = []
        count = 0
        for block in self.blocks:
            if isinstance(block, Rich):
                plain = str(block.data.get("text/plain", "")).splitlines()
            else:
                plain = block.text()
            kept += plain
            count += len(plain) if isinstance(block, Rich) else len(block)
        notice = self._hidden(count - min(lines, len(kept)))
        return "\n".join([notice] * bool(notice) + kept[max(len(kept) - lines, 0) :])

    def _hidden(self, count: int) -> str:
        """Say how many lines are left out, of those that are known."""
        if count > 0:
            return f"… {'over ' if self.cut else ''}{count:,} earlier lines"
        return "… earlier output" if self.cut else ""

    @property
    def lines(self) -> int:
        """How many lines of text there are."""
        return sum(len(block) for block in self.blocks if isinstance(block, Screen))

    @property
    def last_line(self) -> str:
        """The last line of text that is not empty."""
        for block in reversed(self.blocks):
            if isinstance(block, Screen):
                for line in reversed(block.text(20)):
                    if line.strip():
                        return line.strip()
        return ""

    def take(self, message: Message) -> None:
        """Apply the next message."""
        kind = message["type"]
        if kind == "clear":
            self._clear_next = bool(message.get("wait"))
            if not self._clear_next:
                self.blocks.clear()
            return
        if self._clear_next and kind in {"text", "display", "error"}:
            self.blocks.clear()
            self._clear_next = False
        if kind == "text":
            if not self.blocks or isinstance(self.blocks[-1], Rich):
                self.blocks.append(Screen())
            screen = self.blocks[-1]
            assert isinstance(screen, Screen)
            screen.feed(message["text"])
        elif kind == "display":
            self._display(message)
        elif kind == "error":
            self.traceback = list(message.get("traceback") or ())

    def _display(self, message: Message) -> None:
        name = message.get("display_id")
        same = [b for b in self.blocks if isinstance(b, Rich) and name and b.display_id == name]
        if message.get("update"):
            for block in same:
                block.data = message["data"]
        else:
            self.blocks.append(Rich(message["data"], name))


def arranged(messages: Sequence[Message]) -> Output:
    """Apply `messages`, oldest first."""
    output = Output(cut=bool(messages and messages[0].get("seq")))
    for is_text, group in groupby(messages, key=lambda message: message["type"] == "text"):
        if is_text:  # as one: a screen need not draw what a long text scrolls out of sight
            output.take({"type": "text", "text": "".join(message["text"] for message in group)})
        else:
            for message in group:
                output.take(message)
    return output


def traceback_html(lines: Sequence[str]) -> str:
    """Draw a traceback with its colours."""
    screen = Screen()
    screen.feed("\n".join(lines))
    return _scrolled(screen.html()) if len(screen) else ""


def traceback_text(lines: Sequence[str]) -> str:
    """Return a traceback without colours."""
    screen = Screen()
    screen.feed("\n".join(lines))
    return "\n".join(screen.text())


def _scrolled(lines: Sequence[str]) -> str:
    """Draw lines in a box that shows the last of them when they are too many for it."""
    return '<div class="tail"><pre>' + "\n".join(lines) + "</pre></div>"


def _rich_html(data: Mapping[str, Any]) -> str:
    """Draw a bundle in the richest of its forms that is not too large."""
    for kind in ("text/html", "image/svg+xml", *_PICTURES):
        content = data.get(kind)
        if content is None:
            continue
        text = content if isinstance(content, str) else "".join(content)
        if len(text) > _LARGEST:
            continue
        if kind == "text/html":
            return text
        if kind == "image/svg+xml":
            text = b64encode(text.encode()).decode()
        alt = escape(str(data.get("text/plain", "picture")))
        return f'<img src="data:{kind};base64,{"".join(text.split())}" alt="{alt}">'
    for kind in ("text/markdown", "text/latex", "text/plain"):
        if kind in data:
            return f"<pre>{escape(str(data[kind])[:_LARGEST], quote=False)}</pre>"
    return ""
