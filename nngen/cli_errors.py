"""What users see of a failure: one message and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from nngen.console import say_error
from nngen.errors import NngenError
from nngen.processes import watched_interrupts

_USERS_FAULT = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EROFS,
}


class GuardedGroup(TyperGroup):
    """Turns every failure into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the signature of typer
        """Run the command; exit codes are those of DESIGN.md."""
        with watched_interrupts() as interrupted:
            try:
                return super().invoke(ctx)
            except (typer.Exit, typer.Abort, TyperException):
                raise
            except KeyboardInterrupt as exc:
                self._say(ctx, interrupted.signal or signal.SIGINT, _notes(exc))
            except Exception as exc:  # noqa: BLE001 - the outermost border: users get a message, not a traceback
                self._say(ctx, interrupted.signal or exc, _notes(exc))

    def _say(self, ctx: typer.Context, error: Exception | signal.Signals, notes: str) -> None:
        """End with the message and the code of an error, or of a signal, whatever that was turned into."""
        match error:
            case signal.Signals():
                how = "interrupted" if error == signal.SIGINT else f"ended by {error.name}"
                left = f"the last result is untouched.{notes}" if notes else "nothing half-written is left"
                self._fail(ctx, f"{how}; {left}", 128 + error)
            case NngenError():
                self._fail(ctx, f"{error}{notes}", error.exit_code)
            case BrokenPipeError():
                # The reader (head, less) has gone; keep Python from complaining at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(0) from None
            case OSError():
                code = 2 if error.errno in _USERS_FAULT else 6
                self._fail(ctx, f"{_os_error_text(error)}{notes}", code)
            case _:
                cause = f"{type(error).__name__}: {error}"
                text = f"internal error: {cause}. Run again with 'nngen --debug ...' and report it."
                self._fail(ctx, f"{text}{notes}", 6)

    @staticmethod
    def _fail(ctx: typer.Context, text: str, code: int) -> None:
        """Show the message and end; with --debug let the traceback through."""
        if ctx.params.get("debug"):
            raise
        say_error(text)
        raise typer.Exit(code) from None


def _notes(error: BaseException) -> str:
    """Return what was added to an error on its way, each note on a line of its own."""
    return "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))


def _os_error_text(exc: OSError) -> str:
    """Return what happened to which file, and what to do."""
    where = f"{exc.filename}: " if exc.filename else ""
    if exc.errno == errno.ENOSPC:
        return f"{where}the disk is full; free some space and run again. The last good result is untouched."
    if exc.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{where}no permission; change the rights of the file and its folder, or name another."
    if exc.errno == errno.EFBIG:
        return f"{where}a file would exceed the limit of this shell; raise it with 'ulimit -f' and run again."
    return f"{where}{exc.strerror or exc}."
