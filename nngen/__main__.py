"""`python -m nngen` is the command `nngen`."""

from nngen.cli import main

if __name__ == "__main__":
    main()
