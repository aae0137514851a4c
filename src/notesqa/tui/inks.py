"""How the names of styles look in the theme of now.

Not component classes of the style sheet: Textual works out each of those for each widget
at every change of a class or the focus, forty times what the widget itself takes.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.app import App

INKS: Mapping[str, str] = {
    "accent": "$accent",
    "alert": "bold $accent",
    "brand": "bold $primary",
    "chip": "bold $primary",
    "chosen": "on $block-cursor-background",
    "code": "$secondary",
    "code-block": "on $code",
    "code-builtin": "$secondary",
    "code-comment": "italic $quiet",
    "code-keyword": "bold $accent",
    "code-name": "$primary",
    "code-number": "$warning",
    "code-string": "$success",
    "current": "bold $background on $primary",
    "dim": "$quiet",
    "doubted": "underline $warning",
    "emphasis": "italic",
    "entry": "$foreground",
    "error": "$error",
    "formula": "$secondary",
    "formula-rows": "$secondary",
    "formula-source": "italic $secondary",
    "good": "$success",
    "heading-1": "bold $primary",
    "heading-2": "bold $primary",
    "heading-3": "bold $accent",
    "heading-4": "bold",
    "here": "bold underline $primary",
    "key": "bold $footer-key-foreground",
    "key-does": "$footer-description-foreground",
    "key-hovered": "on $block-cursor-background",
    "key-off": "dim",
    "link": "underline $secondary",
    # Under each row of a formula a line would be taken for the bar of a fraction.
    "mark-rows": "$mark-text on $mark",
    "mark-quote": "underline $mark-text on $mark",
    "mark-word": "bold underline $word",
    "marker": "$primary",
    "question": "bold",
    "quote": "$quiet",
    "quote-bar": "$line",
    "rule": "$line",
    "strike": "strike",
    "strong": "bold",
    "title": "bold $primary",
    "warning": "$warning",
}


def ink(app: App[object], name: str) -> Style:
    """The style of that name; kept by the app's style sheet until the theme changes.

    Raises:
        KeyError: there is none of that name.
    """
    return app.stylesheet.parse_style(INKS[name]).rich_style
