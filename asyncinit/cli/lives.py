"""The commands that are a life of asyncinit: they supervise, until the end; imports nothing heavy."""

from __future__ import annotations

from asyncinit.cli.declaring import Command, Option
from asyncinit.cli.options import FILES, HOW_MUCH, LOG_FORMAT, NAMES

RUN = Command(
    "run",
    "run:run",
    "Start the services and supervise them; with CMD, run CMD beside them or, without services, alone.\n\n"
    "As PID 1 of a container, or anywhere else. Ends when nothing runs any more, on SIGTERM, or when CMD ends. "
    '"asyncinit -- CMD" is the same as "asyncinit run -- CMD".',
    (
        *FILES,
        Option("--unshare", "Run as PID 1 of a fresh PID namespace (as root, or in a user namespace)."),
        Option("--ready-fd", "Write a newline to this descriptor when all services are ready.", "FD"),
        LOG_FORMAT,
        *HOW_MUCH,
        Option("--scope", "Who of CMD's gets forwarded signals.", "WHO", choices=("process", "group", "tree")),
        Option("--rewrite", "Send CMD signal TO when FROM arrives (TO 0: nothing). Repeatable.", "FROM:TO", many=True),
        Option("--exit-code", "End with TO where the exit status would be FROM. Repeatable.", "FROM:TO", many=True),
    ),
    takes_command=True,
)
"""`asyncinit run`, which others of asyncinit's lives fall back on."""

DEV = Command(
    "dev",
    "dev:dev",
    "Start everything that a project needs, in the foreground, and leave nothing behind.\n\n"
    "In the project's folder or below it: runs its asyncinit.toml, else its services.d, else its Procfile, with "
    "the variables of .env; with NAME, those services and what they require. Ends on ^C (twice: at once), when the "
    "terminal is gone, or when nothing runs any more; then whatever it started is gone.",
    (
        *FILES,
        Option("-f --procfile", "The Procfile to run; the project is its folder.", "FILE"),
        Option("-e --env", "A file of NAME=VALUE lines, in the place of .env. Repeatable.", "FILE", many=True),
        Option("-m --formation", "Run so many instances of each: web=2,worker=1 (all=0: of no other).", "NAME=N", True),
        Option("-p --port", "The PORT of a Procfile's first entry (5000); 100 more for each further one.", "PORT"),
        Option("--exit-with", "End everything when this service ends, with its exit status.", "NAME"),
        Option("--unshare", "Run in a PID namespace of its own, where no process can outlive it."),
        LOG_FORMAT,
        *HOW_MUCH,
    ),
    (NAMES,),
)
"""`asyncinit dev`."""

BOOT = Command(
    "boot",
    "boot:boot",
    "Be PID 1 of a machine: make it ready, then start its services and supervise them for good.\n\n"
    "The same as being called as /sbin/init by the kernel. Anywhere else (in a container, or not as PID 1) nothing "
    "is mounted or set up, and it is what `run` is.",
    (*FILES, LOG_FORMAT, *HOW_MUCH),
    takes_command=True,
)
"""`asyncinit boot`."""
