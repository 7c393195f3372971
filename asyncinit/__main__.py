"""The entry: block every signal first, then become what argv says; knows the words of the command line, not more."""

from __future__ import annotations

# Before any other import. A signal that comes while PID 1 is still importing is lost if it is not blocked, and blocked
# it waits for the signalfd. `_signal` is there since the interpreter's start; `signal` would import enum first. What
# comes in the interpreter's own start (10 to 25 ms) is beyond us.
import _signal  # type: ignore[import-not-found]

_FAULTS = {_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL, _signal.SIGTRAP, _signal.SIGSYS}
_FAULTS.add(_signal.SIGABRT)
_MASK_BEFORE = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals() - _FAULTS)

import os  # noqa: E402
import sys  # noqa: E402

# Where this is there, another asyncinit was this process before us, or asks what we think (`asyncinit.runtime.reexec`).
_STATE = "ASYNCINIT_STATE"

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> int:
    """Be the init, the wrapper of one command, or the command that talks to a running asyncinit; return its status."""
    state = os.environ.pop(_STATE, "")
    if state:
        _take_over(state)
    words = sys.argv[1:]
    if os.getpid() == 1:
        _bring_up_machine(words)
    _run_alone(words[1:] if words[:1] == ["run"] else words)
    if not _becomes_init(words):
        _signal.pthread_sigmask(_signal.SIG_SETMASK, _MASK_BEFORE)
    from asyncinit.cli.app import main as command

    return command(words)


def _take_over(state: str) -> NoReturn:
    """Go on where the program before was; where that fails, what runs goes on without us."""
    try:
        from asyncinit import fallback  # noqa: F401  (before anything that may be broken)
        from asyncinit.linux.descriptors import cloexec_from

        cloexec_from(3)
        from asyncinit.runtime.reexec.takeover import take_over

        take_over(state)
    except BaseException as error:
        if not state.isdecimal():
            _tell(error)
            os._exit(1)  # we were only asked; the last line says why not
        _fall_back("cannot go on after the re-exec", error)


def _bring_up_machine(words: list[str]) -> None:
    """Be PID 1 of this machine, if it is one; never returns then: if that ended, the kernel would panic."""
    try:
        from asyncinit.machine.recognition import is_machine

        if not is_machine(words, sys.argv[0]):
            return
        from asyncinit.machine.emergency import start_again  # before anything that may be broken
    except BaseException as error:
        if not _is_first():
            raise
        _fall_back("cannot import what a machine begins with", error)
    try:
        from asyncinit.cli.boot import boot_machine

        boot_machine(words)
    except BaseException as error:
        start_again(error)


def _is_first() -> bool:
    """Tell whether our end would be a kernel panic, by nothing but `minimal`: what knows it better may be broken."""
    from asyncinit import minimal

    return os.getpid() == 1 and not minimal.owns_pid_namespace() and not os.environ.get("container")  # noqa: SIM112


def _fall_back(what: str, error: BaseException) -> NoReturn:
    """Let what runs go on without us, by the best that can still be imported; never returns, never raises."""
    try:
        _tell(error)
        from asyncinit import fallback

        fallback.run(f"{what}: {type(error).__name__}: {error}")
    except BaseException as another:
        from asyncinit import minimal

        minimal.say(f"asyncinit: only reaping: {type(another).__name__}: {another}")
        minimal.run(status=70, stay=_is_first())


def _tell(error: BaseException) -> None:
    """Write where it has happened; waits for no console."""
    import traceback

    from asyncinit import minimal

    minimal.say("".join(traceback.format_exception(error)).rstrip())


def _run_alone(words: list[str]) -> None:
    """Run `-- CMD` as its wrapper, if it is nothing else and there are no services; never returns then."""
    if "--" not in words:
        return
    from asyncinit.config.places import declared
    from asyncinit.wrapper import UsageError, parse, run

    try:
        options = parse(words)
    except UsageError:
        return  # the full command line says it better
    if options is not None and not declared(None, ()):
        run(options)


def _becomes_init(words: list[str]) -> bool:
    """Tell whether this process is going to supervise: then its signals stay blocked."""
    return os.getpid() == 1 or words[:1] in (["run"], ["dev"], ["boot"], ["--"])


if __name__ == "__main__":
    sys.exit(main())
