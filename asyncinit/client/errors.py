"""What can go wrong when a running asyncinit is asked for something; each kind has its exit code.

Plain classes: the modules that make prettier ones would double the time that `status` takes.
"""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_THERE = 3
EXIT_NOT_ALLOWED = 4
EXIT_CHANGED = 5


class ClientError(Exception):
    """Base of all errors of the client; the text is for people."""

    exit_code = EXIT_FAILED


class NotRunningError(ClientError):
    """No asyncinit answers."""

    exit_code = EXIT_NOT_THERE


class NotAllowedError(ClientError):
    """We may not connect, or not ask for this."""

    exit_code = EXIT_NOT_ALLOWED


class UntrustedServerError(ClientError):
    """What answers is neither root's nor our own user's: it may be an impostor."""


class BrokenProtocolError(ClientError):
    """What answers does not speak our protocol."""


class CallError(ClientError):
    """The server answered with an error: `name` is its full name, `parameters` what it carries."""

    def __init__(self, name: str, parameters: dict[str, object]) -> None:
        self.name = name
        self.parameters = parameters
        short = name.rpartition(".")[2]
        if short == "NoSuchService":
            hint = parameters.get("suggestion") or ("--all" if parameters.get("name") == "all" else None)
            text = f"no such service: {parameters.get('name')}" + (f"; did you mean {hint}?" if hint else "")
            self.exit_code = EXIT_NOT_THERE
        elif short == "NotAllowed":
            self.exit_code = EXIT_NOT_ALLOWED
            text = f"not allowed: {parameters.get('text')}"
        elif short in {"MethodNotFound", "InterfaceNotFound"}:
            text = (
                f"the running asyncinit is of another version: it does not know {next(iter(parameters.values()), '')}"
            )
        else:
            detail = parameters.get("text") or ", ".join(str(value) for value in parameters.values())
            text = str(detail) if short == "Refused" else f"{short}: {detail}"
        super().__init__(text)
