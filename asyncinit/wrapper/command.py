"""Start CMD as a program expects to be started; must not know what happens to it afterwards.

CMD gets our descriptors 0 to 2, our environment, an empty signal mask, default dispositions and a process group of
its own in our session. One thing is handed through: a SIGHUP that our caller ignores (nohup) stays ignored.
"""

import errno
import os

from asyncinit.linux import descriptors, environment, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn
else:
    import _signal

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def start(command: "tuple[str, ...]", foreground_on: int) -> int:
    """Start `command`, looked up in PATH, in a process group of its own, and return its pid.

    With a descriptor of our controlling terminal in `foreground_on` (else -1) its group has the foreground before
    the program runs. Nothing waits for the exec, which may take long on a slow file system: where it fails, the
    child says so itself and ends with NOT_FOUND or NOT_EXECUTABLE. Raises OSError where no process can be made.

    Not by posix_spawn(3): it can't hand over a terminal, and glibc's leaves signals 32 and 33 ignored in the program.
    """
    descriptors.cloexec_from(3)
    variables = environment.original_environment()
    pid = os.fork()
    if pid == 0:
        _become(command, variables, foreground_on)
    try:
        os.setpgid(pid, pid)  # both do it, because either may come first
    except OSError:
        pass  # the child was first, and has executed its program or ended
    return pid


def _become(command: "tuple[str, ...]", variables: "dict[bytes, bytes]", foreground_on: int) -> "NoReturn":
    """Turn this forked child into `command`, or say why not and end."""
    status = NOT_EXECUTABLE
    try:
        os.setpgid(0, 0)
        if foreground_on >= 0:
            terminal.set_foreground(foreground_on, os.getpid())  # a hang-up just now is no reason to fail
        for signal in _signal.valid_signals():
            if _signal.getsignal(signal) == _signal.SIG_IGN and signal != _signal.SIGHUP:
                _signal.signal(signal, _signal.SIG_DFL)  # handlers end with the exec, what is ignored would stay so
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        status, text = _execute(command, variables)
        complain(text)
    finally:
        os._exit(status)


def _execute(command: "tuple[str, ...]", variables: "dict[bytes, bytes]") -> tuple[int, str]:
    """Execute `command`; come back with the exit status and the line to be told only if that is impossible.

    As execvp(3) does it: what is found but can't be executed is remembered while the search goes on, and a file that
    is no program but may be executed is given to /bin/sh. (Python's own search imports modules that we don't need.)
    """
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in candidates(command[0]):
        try:
            try:
                os.execve(path, command, variables)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                os.execve("/bin/sh", ("/bin/sh", path, *command[1:]), variables)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR) or "/" in command[0]:
                failure = error
    return explain(command[0], failure)


def candidates(name: str) -> list[str]:
    """Return the files that `name` may mean: itself if it has a slash, else one in each folder of PATH."""
    if "/" in name or not name:
        return [name] if name else []
    return [os.path.join(folder or ".", name) for folder in os.environ.get("PATH", os.defpath).split(":")]


def explain(name: str, error: OSError) -> tuple[int, str]:
    """Return the exit status and the line for a `name` that could not be started."""
    text = error.strerror or str(error)
    text = text[:1].lower() + text[1:]
    path = next(filter(os.path.isfile, candidates(name)), None)
    if error.errno == errno.ENOENT and path is not None:
        text = f"{path} is there, but not what runs it (its #! line or its dynamic loader)"
    status = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
    return status, f"cannot execute {name or repr(name)}: {text}"


def complain(text: str) -> None:
    """Write one line to standard error if that can be done without waiting."""
    try:
        import select

        poll = select.poll()
        poll.register(2, select.POLLOUT)
        if poll.poll(0):
            os.write(2, f"asyncinit: {text}\n".encode(errors="replace")[:4096])  # PIPE_BUF: it fits or poll says no
    except (OSError, ImportError):
        pass
