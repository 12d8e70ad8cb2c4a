"""What a terminal would show of a program's output: returns, backspaces, cursor moves, colours."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

# CSI, OSC, and other escapes; then the controls that move the cursor.
_CONTROL = re.compile(
    r"\x1b\[(?P<values>[0-9;:?]*)[ -/]*(?P<final>[@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[()][A-Z0-9]|\x1b[=>78cDEHMNOZ]|(?P<move>\r\n|[\r\n\b\x07\x0b\x0c\x0e\x0f\x00])"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;:?]*|\][^\x07\x1b]*\x1b?|[()])?\Z|\r\Z")
_WIDEST = 4000
_TALLEST = 500  # lines of one text that are drawn; those above are only counted
_OVERWRITTEN = 100  # returns in a text above which a progress bar's past is not drawn

# Middle tones, so that each can be read on white and on black.
_COLOURS = ("#6b737c", "#d9453d", "#2e9e5b", "#b7791f", "#2b87d1", "#b455b6", "#1f93a8", "#8a929b")
_CUBE = (0, 95, 135, 175, 215, 255)


@dataclass(frozen=True, slots=True)
class Style:
    """How a character looks."""

    colour: str = ""
    ground: str = ""
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underlined: bool = False
    inverse: bool = False

    @property
    def css(self) -> str:
        """Return it as CSS declarations."""
        colour, ground = self.colour, self.ground
        if self.inverse:
            ground = colour or ground or _COLOURS[0]
        if ground:
            colour = "#ffffff" if _lightness(ground) < 0.55 else "#111111"
        parts = [
            f"color:{colour}" if colour else "",
            f"background-color:{ground}" if ground else "",
            "font-weight:bold" if self.bold else "",
            "opacity:.65" if self.faint else "",
            "font-style:italic" if self.italic else "",
            "text-decoration:underline" if self.underlined else "",
        ]
        return ";".join(filter(None, parts))


_PLAIN = Style()


class Screen:
    """Lines of characters with styles, written as a terminal writes them.

    It has no width and no bottom: nothing wraps, and lines above stay as they are, except those
    that the program itself moves up to.
    """

    def __init__(self) -> None:
        self._lines: list[tuple[list[str], list[Style]]] = [([], [])]
        self._row = self._column = 0
        self._style = _PLAIN
        self._rest = ""
        self._above = 0  # lines that are counted and not kept

    def feed(self, text: str) -> None:
        """Write `text`; an escape sequence may be cut anywhere between two calls."""
        text = self._rest + text
        cut = _UNFINISHED.search(text, max(len(text) - 200, 0))
        self._rest = cut.group() if cut else ""
        text = text[: len(text) - len(self._rest)]
        if (extra := text.count("\n") - _TALLEST) > 0:
            text = text.split("\n", extra)[-1]
            self._above += len(self._lines) - 1 + extra
            self._lines, self._row, self._column = [([], [])], 0, 0
        if text.count("\r") > _OVERWRITTEN:
            text = "\n".join(map(_last_overwrites, text.split("\n")))
        place = 0
        for match in _CONTROL.finditer(text):
            self._write(text[place : match.start()])
            place = match.end()
            if match["move"]:
                self._move(match["move"])
            elif match["final"]:
                self._command(match["values"], match["final"])
        self._write(text[place:])

    def _write(self, text: str) -> None:
        if not text:
            return
        characters, styles = self._lines[self._row]
        gap = self._column - len(characters)
        if gap > 0:
            characters += " " * gap
            styles += [_PLAIN] * gap
        end = self._column + len(text)
        characters[self._column : end] = text
        styles[self._column : end] = [self._style] * len(text)
        self._column = end

    def _move(self, control: str) -> None:
        if control.endswith("\n"):
            self._go(self._row + 1, 0)
        elif control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(self._column - 1, 0)

    def _go(self, row: int, column: int) -> None:
        self._row, self._column = max(row, 0), max(column, 0)
        # A program that jumps a million lines down does not get them.
        self._row = min(self._row, len(self._lines) + 100)
        while self._row >= len(self._lines):
            self._lines.append(([], []))

    def _command(self, values: str, final: str) -> None:
        numbers = [int(value) if value.isdigit() else 0 for value in re.split("[;:]", values)]
        count = max(numbers[0], 1)
        if final == "m":
            self._style = _restyled(self._style, numbers)
        elif final in "AF":
            self._go(self._row - count, 0 if final == "F" else self._column)
        elif final in "BE":
            self._go(self._row + count, 0 if final == "E" else self._column)
        elif final in "CD":
            step = count if final == "C" else -count
            self._column = min(max(self._column + step, 0), _WIDEST)
        elif final == "G":
            self._column = min(count - 1, _WIDEST)
        elif final == "K":
            self._erase(numbers[0])
        elif final == "J" and numbers[0] in (2, 3):
            self._lines, self._row, self._column = [([], [])], 0, 0
        elif final == "J":
            self._erase(0)
            del self._lines[self._row + 1 :]

    def _erase(self, what: int) -> None:
        characters, styles = self._lines[self._row]
        if what in (1, 2):
            count = min(self._column + 1, len(characters)) if what == 1 else len(characters)
            characters[:count] = " " * count
            styles[:count] = [_PLAIN] * count
        if what in (0, 2):
            del characters[self._column :], styles[self._column :]

    def __len__(self) -> int:
        """Count the lines; one that has only been begun by a newline is none."""
        return self._above + len(self._kept())

    def text(self, last: int | None = None) -> list[str]:
        """Return the lines, or the last of them, without styles."""
        return [_cut("".join(characters)).rstrip() for characters, _ in self._kept(last)]

    def html(self, last: int | None = None) -> list[str]:
        """Return the lines, or the last of them, escaped, styles as spans."""
        return [_spans(*line) for line in self._kept(last)]

    def _kept(self, last: int | None = None) -> list[tuple[list[str], list[Style]]]:
        lines = self._lines if self._lines[-1][0] else self._lines[:-1]
        return lines if last is None else lines[max(len(lines) - last, 0) :]


def _last_overwrites(line: str) -> str:
    """Keep the last states of a progress bar, and the longest, whose end may still stand out."""
    states = line.split("\r")
    if len(states) <= 10:
        return line
    return "\r".join(["", max(states[:-9], key=len), *states[-9:]])


def _cut(line: str) -> str:
    return line if len(line) <= _WIDEST else line[:_WIDEST] + "…"


def _spans(characters: list[str], styles: list[Style]) -> str:
    if len(characters) > _WIDEST:
        characters, styles = [*characters[:_WIDEST], "…"], [*styles[:_WIDEST], _PLAIN]
    parts, place = [], 0
    for style, group in groupby(styles):
        end = place + sum(1 for _ in group)
        text = escape("".join(characters[place:end]), quote=False)
        parts.append(f'<span style="{style.css}">{text}</span>' if style.css else text)
        place = end
    return "".join(parts)


def _restyled(style: Style, numbers: list[int]) -> Style:
    """Apply the numbers of an ``ESC[…m``."""
    rest = iter(numbers)
    for number in rest:
        base, index = divmod(number, 10)
        match number:
            case 0:
                style = _PLAIN
            case 1:
                style = replace(style, bold=True)
            case 2:
                style = replace(style, faint=True)
            case 3:
                style = replace(style, italic=True)
            case 4:
                style = replace(style, underlined=True)
            case 7:
                style = replace(style, inverse=True)
            case 22:
                style = replace(style, bold=False, faint=False)
            case 23:
                style = replace(style, italic=False)
            case 24:
                style = replace(style, underlined=False)
            case 27:
                style = replace(style, inverse=False)
            case 38:
                style = replace(style, colour=_extended(rest))
            case 48:
                style = replace(style, ground=_extended(rest))
            case 39:
                style = replace(style, colour="")
            case 49:
                style = replace(style, ground="")
            case _ if base in (3, 9) and index < 8:
                style = replace(style, colour=_COLOURS[index])
            case _ if base in (4, 10) and index < 8:
                style = replace(style, ground=_COLOURS[index])
    return style


def _extended(rest: Iterator[int]) -> str:
    """Read the colour after 38 or 48: ``5;n`` from the palette, or ``2;r;g;b``."""
    kind = next(rest, 0)
    if kind == 2:
        red, green, blue = (next(rest, 0) for _ in range(3))
        return _middle(red, green, blue)
    index = next(rest, 0) if kind == 5 else 256
    if index < 16:
        return _COLOURS[index % 8]
    if index < 232:
        red, remainder = divmod(index - 16, 36)
        return _middle(_CUBE[red], _CUBE[remainder // 6], _CUBE[remainder % 6])
    return ""  # a grey


def _middle(red: int, green: int, blue: int) -> str:
    """Bring a colour to a lightness that can be read on any page; a grey is the page's own."""
    parts = [min(part, 255) / 255 for part in (red, green, blue)]
    if max(parts) - min(parts) < 0.12:
        return ""
    hue, light, full = colorsys.rgb_to_hls(*parts)
    shifted = colorsys.hls_to_rgb(hue, min(max(light, 0.4), 0.48), min(full, 0.75))
    return "#" + "".join(f"{round(part * 255):02x}" for part in shifted)


def _lightness(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.3 * red + 0.59 * green + 0.11 * blue
