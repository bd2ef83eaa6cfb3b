"""Lets ``python -m facewitness`` do what the program ``facewitness`` does."""

import sys

from facewitness.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
