"""`asyncinit run` and `asyncinit -- CMD`: which of asyncinit's lives this process is going to lead."""

from __future__ import annotations

import os

from asyncinit.cli.outcome import UsageError, complain

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import NoReturn

    from asyncinit.cli.declaring import Invocation
    from asyncinit.wrapper.options import WrapOptions


def run(invocation: Invocation) -> NoReturn:
    """Supervise the declared services, with CMD beside them if one was given; CMD alone where there are none.

    Never returns: both leave by os._exit. Raises UsageError. All signals but the faults shall be blocked by now.
    """
    values = invocation.values
    wrapped = _wrap_options(invocation)
    ready_fd = _descriptor(values["ready_fd"])
    alone = bool(wrapped.command) and not _services_declared(values["config"], values["services"])
    if alone and values["profile"]:
        raise UsageError(f"--profile {','.join(values['profile'])}: there are no services here, and so no profiles")
    if values["unshare"]:
        unshare()
    if alone:
        from asyncinit import wrapper

        wrapper.run(wrapped)
    from asyncinit.cli.reading import profiles_of
    from asyncinit.config.resolve import Mode
    from asyncinit.runtime import entry
    from asyncinit.runtime.configuring.reading import RunOptions

    entry.run(
        RunOptions(
            mode=Mode.CONTAINER if os.getpid() == 1 else Mode.DEV,
            config=values["config"],
            services=tuple(values["services"]),
            profiles=profiles_of(invocation),
            command=tuple(wrapped.command),
            scope=wrapped.scope,
            rewrite=wrapped.rewrite,
            exit_codes=wrapped.exit_codes,
            ready_fd=ready_fd,
            log_format=values["log_format"],
            verbosity=values["verbose"] - values["quiet"],
        )
    )


def _wrap_options(invocation: Invocation) -> WrapOptions:
    """Return the options that are for CMD."""
    from asyncinit.wrapper.options import UsageError as WrapError
    from asyncinit.wrapper.options import WrapOptions, parse_exit_code, parse_rewrite

    values = invocation.values
    try:
        return WrapOptions(
            invocation.program or (),
            scope=values["scope"] or "group",
            rewrite=dict(map(parse_rewrite, values["rewrite"])),
            exit_codes=dict(map(parse_exit_code, values["exit_code"])),
        )
    except WrapError as error:
        raise UsageError(str(error)) from None


def _descriptor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise UsageError(f"--ready-fd {text}: not the number of a descriptor")
    number = int(text)
    try:
        os.fstat(number)
    except (OSError, OverflowError):
        raise UsageError(f"--ready-fd {text}: there is no such descriptor") from None
    return number


def unshare() -> None:
    """Go on as PID 1 of a fresh PID namespace, in another process; return where that is refused, having said why."""
    from asyncinit.cli.unshare import UnshareError, unshare_and_wait

    try:
        unshare_and_wait()
    except UnshareError as error:
        complain(f"not PID 1: {error}; running as a subreaper instead")


def _services_declared(config: str | None, services: tuple[str, ...]) -> bool:
    from asyncinit.config.places import declared

    return declared(config, services)
