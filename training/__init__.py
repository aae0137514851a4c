"""How the built-in embedder is made: from text to `src/notesqa/embedding/model/`."""
