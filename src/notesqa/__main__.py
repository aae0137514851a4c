"""`python -m notesqa` is `notesqa`."""

import sys

from notesqa.start import main

if __name__ == "__main__":
    sys.exit(main())
