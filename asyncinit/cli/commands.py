"""Every command of asyncinit as a table: the one place where commands and options are declared; imports nothing.

click's commands (`cli.click_app`), the help, the reference page and the quick parser (`cli.arguments`) come from it.
"""

from __future__ import annotations

from asyncinit.cli.declaring import Argument, Command, Option
from asyncinit.cli.foreground import ATTACH, START
from asyncinit.cli.lives import BOOT, DEV, RUN
from asyncinit.cli.options import ACT, END, FILES, JSON, NAMES, ONE_OR_MORE, ROOT

FORMATS = ("compose", "procfile", "supervisord", "systemd")
"""What can be imported; `migration.formats` has their translators."""

COMMANDS: tuple[Command, ...] = (
    RUN,
    DEV,
    BOOT,
    Command(
        "check",
        "check:check",
        "Check service files and configuration, and print every problem as FILE:LINE: KEY: PROBLEM.\n\n"
        "Without PATH: what `run` would read here. Each profile of the files is checked too, active or not. "
        "The exit status is 1 if there is an error.",
        (Option("--strict", "Count warnings as errors."), *FILES, ROOT),
        (Argument("paths", "PATH", services=False),),
    ),
    Command(
        "schema",
        "schema:schema",
        "Print the JSON Schema of a kind of file, for editors: a service's, a pod's, or asyncinit.toml (global).",
        (),
        (Argument("kind", "KIND", most=1, services=False, choices=("service", "pod", "global")),),
    ),
    Command(
        "status",
        "status:status",
        "Show the services, or one of them in detail.",
        (
            JSON,
            Option("--watch", "Go on, and show every change until ^C."),
            Option("--ready", "Show nothing; the exit status is 0 if all (or these) are ready, 1 if not."),
        ),
        (NAMES,),
    ),
    Command(
        "top",
        "top:top",
        "Show the services on the whole screen as they change: logs, what they need, and keys to act on them.\n\n"
        "? shows the keys. It takes the extra tui: pip install 'asyncinit[tui]'.",
    ),
    Command(
        "timers",
        "timers:timers",
        "Show when timers start their services next, and what came of the last time.\n\n"
        "With --explain, without a running asyncinit: what a cron expression means, and its next moments.",
        (
            JSON,
            Option("--explain", 'Explain a cron expression ("30 3 * * *", @daily).', "CRON"),
            Option("--time-zone", "The time zone of --explain (the system's own).", "ZONE"),
        ),
        (NAMES,),
    ),
    START,
    Command(
        "stop",
        "act:stop",
        "Stop services, first what requires them, and wait until nothing of them is left.",
        ACT,
        (NAMES,),
    ),
    Command(
        "restart",
        "act:restart",
        "Stop services and start them again, with what requires them, and wait until they are ready.",
        (*ACT, Option("--only", "Leave what requires them alone.")),
        (NAMES,),
    ),
    Command(
        "reload",
        "act:reload",
        "Have services read their configuration again, as their [reload] section says.",
        ACT,
        (NAMES,),
    ),
    Command(
        "reload-config",
        "reload_config:reload_config",
        "Have asyncinit read its configuration again: what is new starts, what is gone stops, what has to restarts.\n\n"
        "What is unchanged keeps running, untouched. An error in any file is printed, and nothing is changed at all.",
        (
            Option("--dry-run", "Change nothing; show what would be."),
            Option("--exit-code", "Exit with 5 if anything has changed (or would), with 0 if not."),
            Option("--no-wait", "Do not wait until it is done."),
            JSON,
        ),
    ),
    Command(
        "scale",
        "scale:scale",
        "Have so many instances of a template: start further ones, stop those with the highest numbers.\n\n"
        '"scale web=3" and "scale web 3" mean the same: web@1, web@2 and web@3. It holds until asyncinit ends.',
        (Option("--no-wait", "Do not wait until it is done."), JSON),
        (Argument("counts", "NAME=N", 1, services=False),),
    ),
    Command(
        "enable",
        "enabling:enable",
        "Have services start when asyncinit does; where their files say otherwise, a drop-in says it.\n\n"
        "That is NAME.d/90-enabled.toml. An asyncinit that runs reads its configuration again, and starts nothing "
        "without --now. Works without one, too; with --root for a system that does not run, as an image is built.",
        (Option("--now", "Start them now."), *FILES, ROOT),
        (ONE_OR_MORE,),
    ),
    Command(
        "disable",
        "enabling:disable",
        "Have services start no more when asyncinit does; by hand, and because others require them, they do.\n\n"
        "A drop-in says it, as for enable. Without --now what runs goes on.",
        (Option("--now", "Stop them now."), *FILES, ROOT),
        (ONE_OR_MORE,),
    ),
    Command(
        "signal",
        "act:signal",
        "Send a signal (TERM, SIGUSR1, RTMIN+3, 15) to the main processes of services.",
        (Option("--all", "All services that run."),),
        (Argument("signal", "SIG", 1, 1, services=False), NAMES),
    ),
    Command(
        "freeze",
        "act:freeze",
        "Have all processes of services stand still until they are thawed or stopped.\n\n"
        "Their health is not probed meanwhile. It takes a cgroup, which each service has where asyncinit is PID 1 of a "
        "machine or of its own cgroup namespace, and elsewhere one with a key of [limits] that takes one.",
        (),
        (ONE_OR_MORE,),
    ),
    Command(
        "thaw",
        "act:thaw",
        "Have frozen services go on.",
        (),
        (ONE_OR_MORE,),
    ),
    Command(
        "logs",
        "logs:logs",
        "Show what services wrote, from asyncinit's memory and from their log files, in order of time.",
        (
            Option("-f --follow", "Go on with new lines until ^C."),
            Option("-n --lines", 'The newest N lines, or "all" (the default; with -f: 20).', "N"),
            Option(
                "--since", "Nothing older: a duration (5m), a time of day (17:30), a date, or an RFC 3339 time.", "T"
            ),
            JSON,
        ),
        (NAMES,),
    ),
    Command(
        "show",
        "show:show",
        "Show a service's merged declaration as TOML, with each value's origin as a comment.\n\n"
        "As the running asyncinit has it; with --config, --services or --profile, and where none runs, as the files "
        "here have it.",
        FILES,
        (Argument("name", "NAME", 1, 1),),
    ),
    Command(
        "events",
        "logs:events",
        "Show the newest changes of services.",
        (Option("-f --follow", "Go on with new events until ^C."), JSON),
        (NAMES,),
    ),
    Command(
        "explain",
        "explain:explain",
        "Tell why a service is in its state, down to the cause, and what would happen next.",
        (JSON,),
        (Argument("name", "NAME", 1, 1),),
    ),
    Command(
        "crash",
        "crash:crash",
        "List the newest failures, or show the report of one: by its ID, or the newest of a service.",
        (JSON,),
        (
            Argument("action", "list|show", 1, 1, services=False, choices=("list", "show")),
            Argument("names", "NAME|ID"),
        ),
    ),
    Command(
        "exec",
        "execute:execute",
        "Run CMD as a service would: with its user, groups, capabilities, environment, working directory and umask.\n\n"
        "On your terminal, and with CMD's exit status; 126 if it cannot be executed, 127 if it is not found.",
        (),
        (Argument("name", "NAME", 1, 1),),
        takes_command=True,
    ),
    ATTACH,
    Command(
        "pod",
        "pods:pods",
        "List pods, or show one: its PID 1, what its members share, and each member's pid outside and inside.\n\n"
        "enter NAME [SERVICE] -- CMD: run CMD in what a pod's members share, with a /proc of the pod; or as the member "
        "SERVICE would, with its root, user and environment.\n\n"
        "add FILE...: bring in a pod and its members, from files as in pods.d and services.d, until the next boot. "
        "remove NAME: stop what add has brought in, and remove it.",
        (JSON,),
        (
            Argument(
                "action",
                "list|show|enter|add|remove",
                1,
                1,
                services=False,
                choices=("list", "show", "enter", "add", "remove"),
            ),
            Argument("words", "NAME|FILE", services=False),
        ),
        takes_command=True,
    ),
    Command(
        "new",
        "new:new",
        "Write first services for a project into its services.d, guessed from the files that it has.\n\n"
        "Looks at Procfile, pyproject.toml, requirements.txt, manage.py, package.json, Compose files and Makefile of "
        "DIR (here). Each file says what it was guessed from. Nothing that is there is changed.",
        (),
        (Argument("folder", "DIR", most=1, services=False),),
    ),
    Command(
        "import",
        "importing:translate",
        "Translate other programs' files into service files, with a report of what became of each setting.\n\n"
        "systemd: units by name, from where systemd looks for them (nginx, logrotate.timer), files, or folders. "
        "supervisord: supervisord.conf, with the files that it includes. "
        "compose: Compose files, one over the other, for a machine without containers. "
        "procfile: a Procfile, and the .env that belongs to it. "
        "Nothing is written unless all of it passes `asyncinit check` together with what is there already. "
        "The exit status is 1 then, and 0 when it is written, whatever has no equivalent.",
        (
            Option("--output", "The folder of services to write to (services.d); pods go beside it, to pods.d.", "DIR"),
            Option("--force", "Replace files that are there."),
            Option("--dry-run", "Write nothing; show the files after the report."),
            JSON,
        ),
        (
            Argument("format", "FORMAT", 1, 1, services=False, choices=FORMATS),
            Argument("files", "FILE", 1, services=False),
        ),
    ),
    Command(
        "analyze",
        "analyze:analyze",
        "Tell how long the start took and who took it; how the time of a shutdown would be shared out.\n\n"
        "blame: services by the time that they took. critical-chain [NAME]: what the start, or NAME, waited for. "
        "early: what a machine did before its services. plot FILE: the start as a picture (SVG). "
        "shutdown: the plan of a shutdown that begins now.",
        (JSON,),
        (
            Argument(
                "view", "VIEW", 0, 1, services=False, choices=("blame", "critical-chain", "early", "plot", "shutdown")
            ),
            Argument("words", "NAME|FILE"),
        ),
    ),
    Command(
        "graph",
        "graph:graph",
        "Show what starts after what: of the services that run or, where none do, of the files here.",
        (
            Option("--dot", "For Graphviz."),
            Option("--mermaid", "For Mermaid, in Markdown."),
            JSON,
            *FILES,
        ),
        (NAMES,),
    ),
    Command(
        "simulate",
        "simulate:simulate",
        "Show what would happen to the services of the files here, without running anything.\n\n"
        "The engine is the real one, with a made-up clock. NAME...: start these, in the place of what starts by "
        'itself. --assert "web ready < 30s" judges it: the exit status is 1 if one does not hold. '
        "The guide has the words of each option.",
        (
            Option(
                "--fail", "End it so: at TIME, at each start, or each time it is ready.", "NAME@WHEN[:STATUS]", True
            ),
            Option("--slow", "It takes so long to become ready, or to complete; or never.", "NAME=TIME", True),
            Option("--slow-stop", "It takes so long to end once it is asked to; or never.", "NAME=TIME", True),
            Option("--unhealthy", "Its health probes fail from a time on, or up to one.", "NAME@TIME[..TIME]", True),
            Option("--start", "Somebody starts it then.", "NAME@TIME", True),
            Option("--stop", "Somebody stops it then.", "NAME@TIME", True),
            Option("--restart", "Somebody restarts it then.", "NAME@TIME", True),
            Option("--shutdown", "Somebody shuts all down then.", "@TIME"),
            Option("--until", "End there, where it does not end by itself (1h).", "TIME"),
            Option("--assert", "What shall hold, such as: db before web. Repeatable.", "TEXT", True),
            Option("--clock", "The time of day at the beginning, for timers (2026-01-01T00:00:00Z).", "TIME"),
            Option("--seed", "Another number: other chances (0).", "N"),
            JSON,
            *FILES,
        ),
        (NAMES,),
    ),
    Command(
        "doctor",
        "doctor:doctor",
        "Look for what is not as it should be: zombies, strays, rights and kernel features that are missing.\n\n"
        "Also where no asyncinit runs: then of this machine and user alone. "
        "The exit status is 1 if something goes wrong.",
        (JSON,),
    ),
    Command(
        "shutdown",
        "power:shutdown",
        "Stop everything and end asyncinit; asked again, there is no more waiting. A machine is switched off then.",
        END,
    ),
    Command(
        "poweroff",
        "power:power",
        "Stop everything, and switch the machine off. An asyncinit in a container, or beside another init, only ends.",
        END,
    ),
    Command(
        "reboot",
        "power:power",
        "Stop everything, and start the machine anew. An asyncinit in a container, or beside another init, only ends.",
        END,
    ),
    Command(
        "halt",
        "power:power",
        "Stop everything, and have the machine stand still, powered. "
        "An asyncinit in a container, or beside another init, only ends.",
        END,
    ),
    Command(
        "kexec",
        "power:power",
        "Stop everything, and start the kernel that kexec(8) has loaded; without one, reboot.\n\n"
        "An asyncinit in a container, or beside another init, only ends.",
        END,
    ),
    Command(
        "reexec",
        "act:reexec",
        "Replace asyncinit by the program now installed, while all services run on.\n\n"
        "A child of the new program is asked first whether it can go on; if not, nothing happens.",
    ),
    Command(
        "completion",
        "completion:completion",
        "Print what a shell has to read so that it completes commands, options and the names of services.",
        (),
        (Argument("shell", "SHELL", 1, 1, services=False, choices=("bash", "zsh", "fish")),),
    ),
)


def find_command(name: str) -> Command | None:
    """Return the command of this name."""
    return next((command for command in COMMANDS if command.name == name), None)
