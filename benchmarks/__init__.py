"""Measurements and pictures of notesqa; none of it is needed to run it."""
