"""Two colour schemes: the glow of a receiver at night, and its log on paper by day."""

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
        "quiet": "#7f918a",
        "line": "#2c3b37",
        "code": "#172320",
        "mark": "#3a3417",
        "mark-text": "#ffe9b0",
        "word": "#f0c674",
        "footer-key-foreground": "#6fcfae",
        "footer-background": "#131b19",
        "footer-description-foreground": "#9fb0a9",
        "input-cursor-background": "#6fcfae",
        "input-selection-background": "#6fcfae 30%",
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
    primary="#14735a",
    secondary="#2b5f8a",
    accent="#8a5a00",
    warning="#a85400",
    error="#b3261e",
    success="#1f7a3a",
    foreground="#26302c",
    background="#f7f5ee",
    surface="#f0ede3",
    panel="#e6e2d5",
    dark=False,
    variables={
        "quiet": "#6b756f",
        "line": "#cfcabb",
        "code": "#ece8dc",
        "mark": "#ffe9a8",
        "mark-text": "#3a2b00",
        "word": "#8a4b00",
        "footer-key-foreground": "#14735a",
        "footer-background": "#f0ede3",
        "footer-description-foreground": "#55605a",
        "input-cursor-background": "#14735a",
        "input-selection-background": "#14735a 25%",
        "block-cursor-background": "#b9d2c5",
        "block-cursor-foreground": "#16211d",
        "scrollbar": "#cfcabb",
        "scrollbar-hover": "#b5af9d",
        "scrollbar-active": "#14735a",
        "scrollbar-background": "#f7f5ee",
        "scrollbar-background-hover": "#f7f5ee",
        "scrollbar-background-active": "#f7f5ee",
    },
)

THEMES = (DARK, LIGHT)
