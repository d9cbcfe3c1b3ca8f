"""The command `nngen`, also as `python -m nngen`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it as later on."""
    try:
        from nngen.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted; nothing half-written is left\n")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
