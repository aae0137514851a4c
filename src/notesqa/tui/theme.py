"""Two colour schemes: the glow of a receiver at night, and its log on paper by day.

Each also in the sixteen colours that any terminal has: the nearest of those to soft colours
are all grey.
"""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="transmission-dark",
    primary="#6fcfae",
    secondary="#8fb7d9",
    accent="#e3b565",
    warning="#e8a15a",
    error="#e57373",
    success="#8bd49c",
    foreground="#cfd8d3",
    background="#0e1413",
    surface="#131b19",
    panel="#1a2522",
    dark=True,
    variables={
        "quiet": "#8a9c95",
        "line": "#2c3b37",
        "code": "#172320",
        "mark": "#3a3417",
        "mark-text": "#ffe9b0",
        "word": "#f0c674",
        "button-focus-text-style": "bold underline",
        "footer-key-foreground": "#6fcfae",
        "footer-description-foreground": "#9fb0a9",
        "input-cursor-background": "#6fcfae",
        "input-selection-background": "#6fcfae 30%",
        # Opaque, both: Textual draws letters in the colour below a translucent selection.
        "screen-selection-background": "#2c5c4d",
        "screen-selection-foreground": "#f2f8f5",
        "block-cursor-background": "#24433a",
        "block-cursor-foreground": "#e8f2ed",
        "scrollbar": "#2c3b37",
        "scrollbar-hover": "#3d534c",
        "scrollbar-active": "#6fcfae",
        "scrollbar-background": "#0e1413",
        "scrollbar-background-hover": "#0e1413",
        "scrollbar-background-active": "#0e1413",
    },
)

LIGHT = Theme(
    name="transmission-light",
    primary="#10664f",
    secondary="#2b5f8a",
    accent="#7a4f00",
    warning="#964a00",
    error="#b3261e",
    success="#1b6e33",
    foreground="#26302c",
    background="#f7f5ee",
    surface="#f0ede3",
    panel="#e6e2d5",
    dark=False,
    variables={
        "quiet": "#5b655f",
        "line": "#cfcabb",
        "code": "#ece8dc",
        "mark": "#ffe9a8",
        "mark-text": "#3a2b00",
        "word": "#7d4400",
        "button-focus-text-style": "bold underline",
        "footer-key-foreground": "#10664f",
        "footer-description-foreground": "#55605a",
        "input-cursor-background": "#10664f",
        "input-selection-background": "#10664f 25%",
        "screen-selection-background": "#b3d8c8",
        "screen-selection-foreground": "#0f1a15",
        "block-cursor-background": "#cfe1d7",
        "block-cursor-foreground": "#16211d",
        "scrollbar": "#cfcabb",
        "scrollbar-hover": "#b5af9d",
        "scrollbar-active": "#10664f",
        "scrollbar-background": "#f7f5ee",
        "scrollbar-background-hover": "#f7f5ee",
        "scrollbar-background-active": "#f7f5ee",
    },
)

THEMES = (DARK, LIGHT)


def _sixteen(theme: Theme, paper: str, ink: str, colours: dict[str, str]) -> Theme:
    """`theme` in colours of which each is one of the sixteen."""
    line, cursor = colours["line"], colours["primary"]
    variables = {
        "code": paper,
        "button-focus-text-style": "bold underline",
        "footer-key-foreground": cursor,
        "footer-description-foreground": ink,
        "input-cursor-background": cursor,
        "input-selection-background": colours["mark"],
        "screen-selection-background": cursor,
        "screen-selection-foreground": paper,
        "block-cursor-foreground": ink,
        "word": colours["accent"],
        "quiet": colours["quiet"],
        "line": line,
        "mark": colours["mark"],
        "mark-text": "#000000",
        "block-cursor-background": colours["chosen"],
        "scrollbar": line,
        "scrollbar-hover": line,
        "scrollbar-active": cursor,
        "scrollbar-background": paper,
        "scrollbar-background-hover": paper,
        "scrollbar-background-active": paper,
    }
    return Theme(
        name=theme.name,
        primary=colours["primary"],
        secondary=colours["secondary"],
        accent=colours["accent"],
        warning=colours["warning"],
        error=colours["error"],
        success=colours["success"],
        foreground=ink,
        background=paper,
        surface=paper,
        panel=paper,
        dark=theme.dark,
        variables=variables,
    )


SIXTEEN = (
    _sixteen(
        DARK,
        "#000000",
        "#ffffff",
        {
            "primary": "#55ff55",
            "secondary": "#55ffff",
            "accent": "#ffff55",
            "warning": "#ffff55",
            "error": "#ff5555",
            "success": "#55ff55",
            "quiet": "#aaaaaa",
            "line": "#555555",
            "chosen": "#0000aa",
            "mark": "#00aaaa",
        },
    ),
    _sixteen(
        LIGHT,
        "#ffffff",
        "#000000",
        {
            "primary": "#0000aa",
            "secondary": "#aa00aa",
            "accent": "#aa0000",
            "warning": "#aa5500",
            "error": "#aa0000",
            "success": "#0000aa",
            "quiet": "#555555",
            "line": "#aaaaaa",
            "chosen": "#55ffff",
            "mark": "#ffff55",
        },
    ),
)


def themes_for(color_system: str | None) -> tuple[Theme, ...]:
    """The two themes in what the terminal has: `color_system` is Rich's name for it."""
    return SIXTEEN if color_system == "standard" else THEMES
