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
    from collections.abc import Mapping
    from typing import NoReturn
else:
    import _signal

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def start(command: "tuple[str, ...]", foreground_on: int) -> int:
    """Start `command`, looked up in PATH, and return its pid; it then runs its program already.

    With a descriptor of our controlling terminal in `foreground_on` (else -1) its group has the foreground before
    the program runs. A script without an interpreter line is given to /bin/sh, as execvp(3) does. Raises OSError.
    """
    descriptors.cloexec_from(3)
    variables = environment.original_environment()
    try:
        return _launch(command, variables, foreground_on)
    except OSError as error:
        path = find(command[0], os.fsdecode(variables.get(b"PATH", os.defpath.encode())))
        if error.errno != errno.ENOEXEC or path is None:
            raise
        return _launch(("/bin/sh", path, *command[1:]), variables, foreground_on)


def _launch(command: "tuple[str, ...]", variables: "Mapping[bytes, bytes]", foreground_on: int) -> int:
    """Start it by fork and exec; the child takes the terminal itself, so that it never runs without.

    Not by posix_spawn(3): it can't hand over a terminal, and glibc's leaves signals 32 and 33 ignored in the program.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(command, variables, foreground_on, writer)
    os.close(writer)
    failure = b""
    while chunk := os.read(reader, 16):  # ends with the exec, which closes the other end
        failure += chunk
    os.close(reader)
    if failure:
        os.waitpid(pid, 0)
        raise OSError(int(failure), os.strerror(int(failure)))
    return pid


def _become(
    command: "tuple[str, ...]", variables: "Mapping[bytes, bytes]", foreground_on: int, writer: int
) -> "NoReturn":
    """Turn this forked child into `command`, or write the errno."""
    number = errno.EINVAL
    try:
        os.setpgid(0, 0)
        if foreground_on >= 0:
            terminal.set_foreground(foreground_on, os.getpid())  # a hang-up just now is no reason to fail
        for signal in _signal.valid_signals():
            if _signal.getsignal(signal) == _signal.SIG_IGN and signal != _signal.SIGHUP:
                _signal.signal(signal, _signal.SIG_DFL)  # handlers end with the exec, what is ignored would stay so
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        os.execvpe(command[0], command, variables)
    except OSError as error:
        number = error.errno or number
    except ValueError:
        number = errno.ENOENT  # an empty name
    finally:
        os.write(writer, b"%d" % number)
        os._exit(NOT_EXECUTABLE)


def find(name: str, path: str) -> str | None:
    """Return the file that `name` is in the folders of `path`, or `name` itself if it has a slash; else None."""
    if "/" in name:
        return name if os.path.exists(name) else None
    for folder in path.split(":"):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate):
            return candidate
    return None


def explain(name: str, error: OSError) -> tuple[int, str]:
    """Return the exit status and the line for a `name` that could not be started."""
    text = error.strerror or str(error)
    text = text[:1].lower() + text[1:]
    path = find(name, os.environ.get("PATH", os.defpath))
    if error.errno == errno.ENOENT and path is not None and name:
        text = f"{path} is there, but not what runs it (its #! line or its dynamic loader)"
    status = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
    return status, f"cannot execute {name or repr(name)}: {text}"
