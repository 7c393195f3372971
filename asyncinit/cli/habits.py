"""What people type who come from elsewhere, and what to type here: one table; knows no command's insides.

It is asked only when a command line cannot be carried out, and shown whole on a page of the guides. A habit is a row of
words: those in capitals stand for any word and may come again in what to type; "..." for all that follow.
"""

from __future__ import annotations

from asyncinit.cli.commands import COMMANDS, find_command

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Habit:
    """A habit of those who know `peer`: where they type `words`, here it is `here`; `why` in a few words, if at all."""

    __slots__ = ("here", "peer", "why", "words")

    def __init__(self, peer: str, words: str, here: str, why: str = "") -> None:
        self.peer = peer
        self.words = words
        self.here = here
        self.why = why

    def told(self, given: Sequence[str]) -> str | None:
        """Return what to type in the place of `given`; None: this is another habit."""
        found = _matched(self.words.split(), given)
        if found is None:
            return None
        return " ".join(filter(None, (_filled_in(word, found) for word in self.here.split())))

    @property
    def weight(self) -> tuple[int, int]:
        """How much of a command line it is about: the more, the better it fits."""
        words = self.words.split()
        return sum(not _stands_for_any(word) for word in words), len(words)


_COMPOSE, _SYSTEMD, _SUPERVISOR = "Docker Compose", "systemd", "supervisord"
_PROCFILE, _OVERMIND, _PROCESS_COMPOSE = "foreman, honcho", "overmind", "process-compose"
_S6, _RUNIT, _OPENRC, _SYSVINIT = "s6", "runit", "OpenRC", "sysvinit"
_PEBBLE, _DINIT, _TINI, _KUBERNETES, _PM2 = "Pebble", "dinit", "tini, dumb-init", "kubectl", "pm2"
ANY = "any"
"""No peer in particular."""

HABITS: tuple[Habit, ...] = (
    Habit(_COMPOSE, "up", "asyncinit run", "in a project's folder, for a day's work: asyncinit dev"),
    Habit(_COMPOSE, "up -d", "asyncinit run", "it stays in the foreground; nohup or another init keeps it"),
    Habit(_COMPOSE, "up --detach", "asyncinit run", "it stays in the foreground; nohup or another init keeps it"),
    Habit(_COMPOSE, "up NAME", "asyncinit start NAME", "or, where none runs yet: asyncinit dev NAME"),
    Habit(_COMPOSE, "--detach", "asyncinit run", "it stays in the foreground; nohup or another init keeps it"),
    Habit(_COMPOSE, "-d", "asyncinit run", "it stays in the foreground; nohup or another init keeps it"),
    Habit(_COMPOSE, "-f FILE", "asyncinit import compose FILE", "then asyncinit run; its own files: --config FILE"),
    Habit(_COMPOSE, "down", "asyncinit shutdown"),
    Habit(_COMPOSE, "ps", "asyncinit status"),
    Habit(_COMPOSE, "ls", "asyncinit status"),
    Habit(_COMPOSE, "stats", "asyncinit top"),
    Habit(_COMPOSE, "config", "asyncinit check", "asyncinit show NAME has a service with all that is laid over it"),
    Habit(_COMPOSE, "kill NAME", "asyncinit signal KILL NAME"),
    Habit(_COMPOSE, "kill -s SIG NAME", "asyncinit signal SIG NAME"),
    Habit(_COMPOSE, "pause NAME", "asyncinit freeze NAME"),
    Habit(_COMPOSE, "unpause NAME", "asyncinit thaw NAME"),
    Habit(_COMPOSE, "rm NAME", "asyncinit stop NAME", "what its file declares is known as long as that is there"),
    Habit(_COMPOSE, "run NAME", "asyncinit start --attach NAME", "with what it requires; run is for all"),
    Habit(_COMPOSE, "run --rm NAME", "asyncinit start --attach NAME", "with what it requires; run is for all"),
    Habit(_COMPOSE, "exec NAME CMD ...", "asyncinit exec NAME -- CMD ..."),
    Habit(_COMPOSE, "exec -it NAME CMD ...", "asyncinit exec NAME -- CMD ...", "it has your terminal anyhow"),
    Habit(_COMPOSE, "wait NAME", "asyncinit start NAME", "it waits; asyncinit status --ready NAME only looks"),
    Habit(_COMPOSE, "build", "asyncinit start NAME", "there are no images: what is to be built first is a oneshot"),
    Habit(_SYSTEMD, "is-active NAME", "asyncinit status --ready NAME"),
    Habit(_SYSTEMD, "is-failed NAME", "asyncinit status NAME"),
    Habit(_SYSTEMD, "is-enabled NAME", "asyncinit show NAME"),
    Habit(_SYSTEMD, "cat NAME", "asyncinit show NAME"),
    Habit(
        _SYSTEMD, "edit NAME", "asyncinit show NAME", "a change is a drop-in, NAME.d/10-own.toml; then reload-config"
    ),
    Habit(_SYSTEMD, "mask NAME", "asyncinit disable NAME", "what requires it starts it all the same"),
    Habit(_SYSTEMD, "unmask NAME", "asyncinit enable NAME"),
    Habit(_SYSTEMD, "daemon-reload", "asyncinit reload-config"),
    Habit(_SYSTEMD, "daemon-reexec", "asyncinit reexec"),
    Habit(_SYSTEMD, "reload-or-restart NAME", "asyncinit reload NAME"),
    Habit(_SYSTEMD, "try-restart NAME", "asyncinit restart NAME"),
    Habit(_SYSTEMD, "condrestart NAME", "asyncinit restart NAME"),
    Habit(_SYSTEMD, "reset-failed NAME", "asyncinit start NAME", "a start forgets what has failed before"),
    Habit(_SYSTEMD, "isolate NAME", "asyncinit start NAME", "nothing else stops for it; conflicts says what has to"),
    Habit(_SYSTEMD, "list-units", "asyncinit status"),
    Habit(_SYSTEMD, "list-unit-files", "asyncinit status"),
    Habit(_SYSTEMD, "list-timers", "asyncinit timers"),
    Habit(_SYSTEMD, "list-jobs", "asyncinit status", "what waits says on what; explain NAME says why"),
    Habit(_SYSTEMD, "list-dependencies", "asyncinit graph"),
    Habit(_SYSTEMD, "list-dependencies NAME", "asyncinit graph NAME"),
    Habit(_SYSTEMD, "freezer NAME", "asyncinit freeze NAME"),
    Habit(_SYSTEMD, "journal", "asyncinit logs"),
    Habit(_SYSTEMD, "journalctl", "asyncinit logs"),
    Habit(_SYSTEMD, "journalctl -f", "asyncinit logs -f"),
    Habit(_SYSTEMD, "journalctl -u NAME", "asyncinit logs NAME"),
    Habit(_SYSTEMD, "journalctl -fu NAME", "asyncinit logs -f NAME"),
    Habit(_SYSTEMD, "journalctl -f -u NAME", "asyncinit logs -f NAME"),
    Habit(_SYSTEMD, "-u NAME", "asyncinit logs NAME"),
    Habit(_SYSTEMD, "-fu NAME", "asyncinit logs -f NAME"),
    Habit(_SYSTEMD, "logs -u NAME", "asyncinit logs NAME"),
    Habit(_SYSTEMD, "logs -fu NAME", "asyncinit logs -f NAME"),
    Habit(_SYSTEMD, "logs -f -u NAME", "asyncinit logs -f NAME"),
    Habit(_SUPERVISOR, "avail", "asyncinit status"),
    Habit(_SUPERVISOR, "pid", "asyncinit status", "the pid of asyncinit itself is in status --json"),
    Habit(_SUPERVISOR, "pid NAME", "asyncinit status NAME"),
    Habit(_SUPERVISOR, "fg NAME", "asyncinit attach NAME", "it has to have tty = true; else: asyncinit logs -f NAME"),
    Habit(_SUPERVISOR, "tail", "asyncinit logs"),
    Habit(_SUPERVISOR, "tail NAME", "asyncinit logs NAME"),
    Habit(_SUPERVISOR, "tail -f", "asyncinit logs -f"),
    Habit(_SUPERVISOR, "tail -f NAME", "asyncinit logs -f NAME"),
    Habit(_SUPERVISOR, "maintail", "asyncinit events"),
    Habit(_SUPERVISOR, "maintail -f", "asyncinit events -f"),
    Habit(_SUPERVISOR, "reread", "asyncinit reload-config --dry-run"),
    Habit(_SUPERVISOR, "update", "asyncinit reload-config"),
    Habit(_SUPERVISOR, "add NAME", "asyncinit reload-config", "a file in services.d is what adds a service"),
    Habit(_SUPERVISOR, "remove NAME", "asyncinit reload-config", "without its file the service goes"),
    Habit(_SUPERVISOR, "-n", "asyncinit run", "it always stays in the foreground"),
    Habit(_SUPERVISOR, "--nodaemon", "asyncinit run", "it always stays in the foreground"),
    Habit(_SUPERVISOR, "-c FILE", "asyncinit run --config FILE"),
    Habit(_SUPERVISOR, "run -c FILE", "asyncinit run --config FILE"),
    Habit(_PROCFILE, "start -f FILE", "asyncinit dev --procfile FILE"),
    Habit(_PROCFILE, "-f Procfile", "asyncinit dev"),
    Habit(_PROCFILE, "start -m FORMATION", "asyncinit dev --formation FORMATION"),
    Habit(_PROCFILE, "start -p PORT", "asyncinit dev --port PORT"),
    Habit(_PROCFILE, "start -e FILE", "asyncinit dev --env FILE"),
    Habit(_PROCFILE, "export", "asyncinit import procfile Procfile", "it writes services.d"),
    Habit(_OVERMIND, "connect NAME", "asyncinit attach NAME", "it has to have tty = true"),
    Habit(_OVERMIND, "echo", "asyncinit logs -f"),
    Habit(_OVERMIND, "quit", "asyncinit shutdown"),
    Habit(_OVERMIND, "kill", "asyncinit shutdown --force"),
    Habit(_PROCESS_COMPOSE, "process list", "asyncinit status"),
    Habit(_PROCESS_COMPOSE, "process ls", "asyncinit status"),
    Habit(_PROCESS_COMPOSE, "process up NAME", "asyncinit start NAME"),
    Habit(_PROCESS_COMPOSE, "process get NAME", "asyncinit status NAME"),
    Habit(_PROCESS_COMPOSE, "project state", "asyncinit status"),
    Habit(_PROCESS_COMPOSE, "project update", "asyncinit reload-config"),
    Habit(_PROCESS_COMPOSE, "list", "asyncinit status"),
    Habit(_S6, "s6-svc -u NAME", "asyncinit start NAME"),
    Habit(_S6, "s6-svc -d NAME", "asyncinit stop NAME"),
    Habit(_S6, "s6-svc -r NAME", "asyncinit restart NAME"),
    Habit(_S6, "s6-svc -t NAME", "asyncinit signal TERM NAME"),
    Habit(_S6, "s6-svc -h NAME", "asyncinit signal HUP NAME"),
    Habit(_S6, "s6-svc -k NAME", "asyncinit signal KILL NAME"),
    Habit(_S6, "s6-svstat NAME", "asyncinit status NAME"),
    Habit(_S6, "s6-rc -u change NAME", "asyncinit start NAME"),
    Habit(_S6, "s6-rc -d change NAME", "asyncinit stop NAME"),
    Habit(_S6, "s6-rc list", "asyncinit status"),
    Habit(_S6, "s6-rc-update", "asyncinit reload-config"),
    Habit(_S6, "s6-svscanctl -t", "asyncinit shutdown"),
    Habit(_RUNIT, "sv up NAME", "asyncinit start NAME"),
    Habit(_RUNIT, "sv down NAME", "asyncinit stop NAME"),
    Habit(_RUNIT, "sv status NAME", "asyncinit status NAME"),
    Habit(_RUNIT, "sv term NAME", "asyncinit signal TERM NAME"),
    Habit(_RUNIT, "sv hup NAME", "asyncinit signal HUP NAME"),
    Habit(_RUNIT, "sv kill NAME", "asyncinit signal KILL NAME"),
    Habit(_RUNIT, "sv once NAME", "asyncinit start NAME", 'once and no more: restart = "never" in its file'),
    Habit(_OPENRC, "rc-service NAME VERB", "asyncinit VERB NAME"),
    Habit(_OPENRC, "rc-status", "asyncinit status"),
    Habit(_OPENRC, "rc-update add NAME", "asyncinit enable NAME"),
    Habit(_OPENRC, "rc-update del NAME", "asyncinit disable NAME"),
    Habit(_SYSVINIT, "service NAME VERB", "asyncinit VERB NAME"),
    Habit(_SYSVINIT, "chkconfig NAME on", "asyncinit enable NAME"),
    Habit(_SYSVINIT, "chkconfig NAME off", "asyncinit disable NAME"),
    Habit(_SYSVINIT, "update-rc.d NAME defaults", "asyncinit enable NAME"),
    Habit(_SYSVINIT, "update-rc.d NAME enable", "asyncinit enable NAME"),
    Habit(_SYSVINIT, "update-rc.d NAME disable", "asyncinit disable NAME"),
    Habit(_SYSVINIT, "shutdown now", "asyncinit shutdown", "it begins at once anyhow"),
    Habit(_SYSVINIT, "shutdown -h now", "asyncinit poweroff"),
    Habit(_SYSVINIT, "shutdown -r now", "asyncinit reboot"),
    Habit(_SYSVINIT, "shutdown -r", "asyncinit reboot"),
    Habit(_DINIT, "shutdown -p", "asyncinit poweroff"),
    Habit(_DINIT, "wake NAME", "asyncinit start NAME"),
    Habit(_DINIT, "release NAME", "asyncinit stop NAME"),
    Habit(_PEBBLE, "services", "asyncinit status"),
    Habit(_PEBBLE, "changes", "asyncinit events"),
    Habit(_PEBBLE, "plan", "asyncinit show NAME", "asyncinit graph has what starts after what"),
    Habit(_PEBBLE, "replan", "asyncinit reload-config"),
    Habit(_PEBBLE, "autostart", "asyncinit start --all"),
    Habit(_PEBBLE, "checks", "asyncinit status"),
    Habit(_PEBBLE, "health", "asyncinit status --ready"),
    Habit(_PEBBLE, "notices", "asyncinit events"),
    Habit(_KUBERNETES, "get pods", "asyncinit pod list"),
    Habit(_KUBERNETES, "get", "asyncinit status"),
    Habit(_KUBERNETES, "describe NAME", "asyncinit explain NAME"),
    Habit(_KUBERNETES, "delete NAME", "asyncinit stop NAME"),
    Habit(_KUBERNETES, "apply", "asyncinit reload-config"),
    Habit(_PM2, "monit", "asyncinit top"),
    Habit(_PM2, "startup NAME", "asyncinit enable NAME"),
    Habit(_TINI, "-g", "asyncinit -- CMD", "the process group gets signals anyhow"),
    Habit(_TINI, "-s", "asyncinit -- CMD", "it is a subreaper by itself"),
    Habit(_TINI, "-e CODE", "asyncinit run --exit-code CODE:0 -- CMD"),
    Habit(_TINI, "-r FROM:TO", "asyncinit run --rewrite FROM:TO -- CMD"),
    Habit(_TINI, "-v", "asyncinit run -v"),
    Habit(
        ANY, "reload-config --profile NAME", "asyncinit run --profile NAME", "profiles hold as long as asyncinit does"
    ),
    Habit(ANY, "help", "asyncinit --help"),
    Habit(ANY, "help NAME", "asyncinit NAME --help"),
    Habit(ANY, "version", "asyncinit --version"),
    Habit(ANY, "state", "asyncinit status"),
    Habit(ANY, "info", "asyncinit status"),
    Habit(ANY, "log", "asyncinit logs"),
    Habit(ANY, "log NAME", "asyncinit logs NAME"),
    Habit(ANY, "init", "asyncinit new", "it looks at the project and writes a first services.d"),
    Habit(ANY, "test", "asyncinit check"),
    Habit(ANY, "validate", "asyncinit check"),
)
"""All of them, by peer; of several that fit a command line, the one that is about most of it counts."""

_FRONTS = frozenset(
    [
        *("docker", "compose", "docker-compose", "systemctl", "supervisorctl", "foreman", "honcho", "overmind", "pm2"),
        *("process", "process-compose", "dinitctl", "pebble", "sv", "initctl", "kubectl", "systemd-analyze"),
    ]
)
"""Programs of others: what follows their name may mean the same here."""

_REST = "..."
_NAME = "NAME"
_TYPE = ".service"


def told(given: Sequence[str]) -> str:
    """Return what to type in the place of a command line that cannot be carried out; empty: nothing comes to mind."""
    for words in _meanings(given):
        fitting = [(habit.weight, habit, here) for habit in HABITS if (here := habit.told(words)) is not None]
        if fitting:
            _, habit, here = max(fitting, key=lambda found: found[0])
            return here + (f" ({habit.why})" if habit.why else "")
        if words != list(given) and find_command(words[0]) is not None:
            return " ".join(("asyncinit", *words))
        if len(words) == 2 and find_command(words[0]) is None and _takes_names(words[1]):
            return f"asyncinit {words[1]} {words[0]}"
    return ""


def guess(word: str) -> str:
    """Return the command that a misspelt word is: one of ours, or one that people are used to."""
    import difflib

    ours = [command.name for command in COMMANDS]
    habits = [habit.words.split()[0] for habit in HABITS if not habit.words.startswith("-")]
    short = [name for name in ours if len(word) > 2 and name.startswith(word.casefold())]
    found = short or difflib.get_close_matches(word.casefold(), ours, 1, 0.7)
    return (found or difflib.get_close_matches(word.casefold(), habits, 1, 0.7) or [""])[0]


def _meanings(given: Sequence[str]) -> Iterator[list[str]]:
    """Yield a command line as it was given, and without the programs of others before it."""
    words = list(given)
    while words:
        yield words
        if words[0] not in _FRONTS:
            return
        words = words[1:]


def _takes_names(word: str) -> bool:
    command = find_command(word)
    return command is not None and any(argument.of_services for argument in command.arguments)


def _stands_for_any(word: str) -> bool:
    return word.isupper() and not word.startswith("-")


def _matched(pattern: Sequence[str], given: Sequence[str]) -> dict[str, str] | None:
    """Return what the words in capitals of `pattern` stand for in `given`, None where that does not begin so.

    The last one stands for all that follow, too.
    """
    found: dict[str, str] = {}
    for place, word in enumerate(pattern):
        rest = given[place:]
        if word == _REST:
            found[word] = " ".join(rest)
        elif not rest:
            return None
        elif not _stands_for_any(word):
            if word != rest[0]:
                return None
        elif rest[0].startswith("-"):
            return None
        elif word == _NAME:
            names = rest if place == len(pattern) - 1 else rest[:1]
            found[word] = " ".join(name.removesuffix(_TYPE) for name in names if not name.startswith("-"))
        else:
            found[word] = rest[0]
    return found


def _filled_in(word: str, found: Mapping[str, str]) -> str:
    """Return a word of what to type with what it stands for, which may be a part of it ("CODE:0")."""
    name, colon, rest = word.partition(":")
    return found.get(word) or (f"{found[name]}{colon}{rest}" if name in found else word.removeprefix(_REST))
