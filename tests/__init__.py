"""Tests of notesqa: behaviour, on notes that the tests write themselves."""
