"""The services' standard output and error: pipes and pseudo-terminals, read by the loop and handed to the journal.

Knows nothing of states. Whoever starts a process opens a channel for it, gives its ends to the child, and drains it
when that process has ended. Nothing ever waits for the end of a pipe: a grandchild may hold it for years. Then it is
read on, until its end or until too many such old ones of the service are open.

Each readable pipe is read once per turn of the loop, and less of it the more of them there are: a flood delays others
by one chunk. While a place that a service writes to is slow, its pipes are left alone (see `buffer`). A service whose
route says so has no pipe of ours at all: it gets our own descriptors, /dev/null, or a logger's pipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from asyncinit.config.spec import LogLevel
from asyncinit.errors import SpawnError
from asyncinit.linux.terminal import open_pty, set_window_size
from asyncinit.runtime.output.entries import STDERR, STDOUT
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.output.lines import LINE_LIMIT, LineSplitter, Segment
from asyncinit.runtime.output.route import Ends, Route
from asyncinit.runtime.output.terminals import Terminals, TerminalState
from asyncinit.runtime.reexec.keep import Keep

if TYPE_CHECKING:
    import asyncio

READ_SIZE = 64 * 1024
"""Bytes read from one pipe in one turn of the loop at most."""
TURN_SIZE = 1024 * 1024
"""Bytes read in one turn from all pipes, about: shared by those that have something."""
DRAIN_LIMIT = 1024 * 1024
"""Bytes read at an exit at most: what an unprivileged process can have put into one pipe."""
OLD_CHANNELS = 4
"""Channels of a service that are read although their process has ended: something else holds them open."""
TERMINAL_SIZE = (24, 80)

LinesWatcher = Callable[[bytes], None]


class _Source:
    """One descriptor that is read: a pipe's end or a pseudo-terminal's."""

    __slots__ = ("channel", "fd", "name", "splitter")

    def __init__(self, channel: Channel, fd: int, name: str, splitter: LineSplitter) -> None:
        self.channel = channel
        self.fd = fd
        self.name = name
        self.splitter = splitter


class SourceState(Struct):
    """A descriptor that is read, as it is carried over a re-exec; `held` is its unfinished line."""

    fd: int = -1
    name: str = STDOUT
    held: bytes = b""
    crlf: bool = False


class ChannelState(Struct):
    """A channel as it is carried over a re-exec; `newest`: it is the one of its service's main process."""

    number: int = 0
    service: str = ""
    main: bool = True
    newest: bool = False
    retired: bool = False
    stdout: int = -1
    stderr: int = -1
    terminal: str | None = None
    sources: list[SourceState] = []


class CaptureState(Struct):
    """What is carried over a re-exec; `opened` counts the channels so far, the oldest come first."""

    opened: int = 0
    channels: list[ChannelState] = []
    terminals: list[TerminalState] = []


class Channel:
    """The output of one process of a service: what the child gets, and what we read.

    `stdout` and `stderr` are for the child (one and the same on a pseudo-terminal, then for its standard input too), -1
    is /dev/null;
    `terminal` is the path of that pseudo-terminal, to be opened as the child's controlling one, else None. `retired`:
    its process has ended, and something else still holds it open. `number` is its own among all that were ever opened.
    """

    def __init__(self, capture: Capture, number: int, service: str, main: bool) -> None:
        self.number = number
        self.service = service
        self.main = main
        self.retired = False
        self.stdout = -1
        self.stderr = -1
        self.terminal: str | None = None
        self.sources: list[_Source] = []
        self.lent = False
        """Whether what the child gets is ours, and not to be closed."""
        self._capture = capture

    def close_ours(self) -> None:
        """Close our copies of the child's ends, once it has them. A pseudo-terminal's stays open until `drain`.

        Otherwise a child that opens its terminal by path would find it hung up. Safe to call twice.
        """
        if self.terminal is None:
            self.close_ends()

    def drain(self) -> None:
        """Read what is there now and let go of the unfinished line: its process has ended. What comes later is read on.

        Never blocks; bounded by what a pipe holds. Safe to call twice.
        """
        self.close_ends()
        self._capture.retire(self)

    def close_ends(self) -> None:
        """Close what is left of our copies of the child's ends, a pseudo-terminal's too. Safe to call twice."""
        for fd in set() if self.lent else {self.stdout, self.stderr} - {-1}:
            os.close(fd)
        self.stdout = self.stderr = -1

    def freeze(self, keep: Keep, newest: bool) -> ChannelState:
        """Return what is carried over a re-exec."""
        return ChannelState(
            self.number,
            self.service,
            self.main,
            newest,
            self.retired,
            keep(self.stdout),
            keep(self.stderr),
            self.terminal,
            [SourceState(keep(s.fd), s.name, s.splitter.held, s.splitter.crlf) for s in self.sources],
        )


class Capture:
    """Open, read and drain the output of all services, into `journal`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, journal: Journal, line_limit: int = LINE_LIMIT) -> None:
        self._loop = loop
        self.terminals = Terminals(loop)
        self._journal = journal
        self._line_limit = line_limit
        self._opened = 0
        self._newest: dict[str, Channel] = {}
        self._channels: dict[str, list[Channel]] = {}  # all that are read, oldest first
        self._sources: dict[int, _Source] = {}
        self._paused: set[int] = set()
        self._watchers: dict[str, list[LinesWatcher]] = {}
        journal.relieved = self._resume
        self._turn_share = READ_SIZE
        self._reads = 0

    def open(self, service: str, owner_uid: int | None = None, tty: bool = False, main: bool = True) -> Channel:
        """Open a channel for a process that is about to be spawned; stdout and stderr are pipes, or a pseudo-terminal.

        They are given to `owner_uid` (None: left ours), so that a child of that user can open /dev/stdout by its path.
        `main` false: for a hook or a probe command, whose lines `watch` does not see. Raises SpawnError.
        """
        self._opened += 1
        channel = Channel(self, self._opened, service, main)
        route = self._journal.routes.get(service, self._journal.to_console)
        if route.ends is not Ends.PIPES and not tty:
            return self._lend(channel, route)
        try:
            if tty:
                self._open_terminal(channel)
            else:
                for name in (STDOUT, STDERR):
                    ours, theirs = os.pipe()
                    setattr(channel, name, theirs)
                    self._read(channel, ours, name, crlf=False)
        except OSError as error:
            self._discard(channel)
            what = "open a pseudo-terminal" if tty else "open a pipe for the output"
            raise SpawnError(what, error.errno or 0) from error
        if owner_uid is not None and owner_uid != os.geteuid():
            for fd in {channel.stdout, channel.stderr}:
                try:
                    os.fchown(fd, owner_uid, -1)
                except OSError:  # then only opening it by its path fails, in the child; writing does not
                    pass
        if main:
            self._newest[service] = channel
        return channel

    def _lend(self, channel: Channel, route: Route) -> Channel:
        """Give the child what we do not read."""
        if route.ends is Ends.OURS:
            channel.stdout, channel.stderr = 1, 2
        elif route.pipe is not None:
            channel.stdout = channel.stderr = route.pipe.writer
        channel.lent = True
        return channel

    def drain(self, service: str) -> None:
        """Read what is there now of all that `service` has open; called when its main process has ended."""
        channel = self._newest.get(service)
        if channel is not None:
            channel.drain()
        for other in list(self._channels.get(service, ())):
            for source in list(other.sources):
                self._drain(source)

    def watch(self, service: str, callback: LinesWatcher) -> Callable[[], None]:
        """Call `callback` with the lines that the newest main process of `service` writes; return how to end that.

        It gets many at once, each with its newline, after they were journalled; what an older process still writes is
        left out. An unfinished line comes when it is finished, or when the process has ended.
        """
        watchers = self._watchers.setdefault(service, [])
        watchers.append(callback)

        def end() -> None:
            if callback in watchers:
                watchers.remove(callback)
            if not watchers and self._watchers.get(service) is watchers:
                del self._watchers[service]

        return end

    def open_channels(self, service: str) -> int:
        """Return how many channels of `service` are still read."""
        return len(self._channels.get(service, ()))

    def channel(self, number: int) -> Channel | None:
        """Return the channel with this number, if it is still read."""
        return next((one for some in self._channels.values() for one in some if one.number == number), None)

    def freeze(self, keep: Keep) -> CaptureState:
        """Return what is carried over a re-exec: pipes and terminals stay open, and nobody sees who reads them."""
        channels = [one for some in self._channels.values() for one in some]
        frozen = [one.freeze(keep, self._newest.get(one.service) is one) for one in channels]
        return CaptureState(self._opened, frozen, self.terminals.freeze())

    def thaw(self, state: CaptureState) -> None:
        """Go on reading; who watches lines has to say so again."""
        self._opened = state.opened
        for one in state.channels:
            channel = Channel(self, one.number, one.service, one.main)
            channel.stdout, channel.stderr, channel.terminal = one.stdout, one.stderr, one.terminal
            channel.retired = one.retired
            for source in one.sources:
                self._read(channel, source.fd, source.name, source.crlf, source.held)
            if one.newest:
                self._newest[one.service] = channel
        self.terminals.thaw(state.terminals)

    def close(self) -> None:
        """Read what is there, let go of unfinished lines, and close everything: asyncinit ends."""
        for source in list(self._sources.values()):
            self._drain(source)
            self._end(source)

    # -----------------------------------------------------------------------------------------------------------------

    def retire(self, channel: Channel) -> None:
        """Drain `channel` and count it among the old ones, if anything still holds it open (see `Channel.drain`)."""
        for source in list(channel.sources):
            self._drain(source)
            self._journalise(source, source.splitter.flush())
        channel.retired = True
        # The newest one is kept in any case: a daemon that forked, and is the main process now, has it.
        newest = self._newest.get(channel.service)
        old = [other for other in self._channels.get(channel.service, ()) if other.retired and other is not newest]
        if len(old) > OLD_CHANNELS:
            self._journal.event(
                channel.service,
                f"more than {OLD_CHANNELS} earlier processes left their output open to others; closing the oldest",
                LogLevel.WARNING,
            )
            self._discard(old[0])

    def _discard(self, channel: Channel) -> None:
        for source in list(channel.sources):
            self._end(source)
        channel.close_ends()

    def _open_terminal(self, channel: Channel) -> None:
        ours, theirs = open_pty()
        channel.stdout = channel.stderr = theirs
        self._read(channel, ours, STDOUT, crlf=True)
        channel.terminal = os.ttyname(theirs)
        set_window_size(theirs, *TERMINAL_SIZE)
        if channel.main:
            self.terminals.opened(channel.service, ours)

    def _read(self, channel: Channel, fd: int, name: str, crlf: bool, held: bytes = b"") -> None:
        os.set_blocking(fd, False)
        source = _Source(channel, fd, name, LineSplitter(self._line_limit, crlf))
        source.splitter.held = held
        channel.sources.append(source)
        channels = self._channels.setdefault(channel.service, [])
        if channel not in channels:
            channels.append(channel)
        self._sources[fd] = source
        self._loop.add_reader(fd, self._readable, source)

    def _readable(self, source: _Source) -> None:
        if self._journal.held(source.channel.service):
            self._loop.remove_reader(source.fd)
            self._paused.add(source.fd)
            return
        if not self._reads:
            self._loop.call_soon(self._turn_over)
        self._reads += 1
        self._take(source, min(self._turn_share, self._journal.chunk_size(source.channel.service)))

    def _turn_over(self) -> None:
        self._turn_share = max(4096, min(READ_SIZE, TURN_SIZE // self._reads))
        self._reads = 0

    def _take(self, source: _Source, size: int) -> int:
        """Read once; return how much came, 0 when nothing is there now or ever."""
        try:
            data = os.read(source.fd, size)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:  # EIO: the last one has closed the pseudo-terminal
            data = b""
        if data:
            if source.channel.terminal is not None:
                self.terminals.came(source.fd, data)
            self._journalise(source, source.splitter.feed(data))
        else:
            self._end(source)
        return len(data)

    def _journalise(self, source: _Source, segments: list[Segment]) -> None:
        channel = source.channel
        for data, cut in segments:
            self._journal.lines(channel.service, source.name, data, cut)
            watchers = self._watchers.get(channel.service)
            if watchers and self._newest.get(channel.service) is channel:
                self._tell(watchers, channel.service, data if data.endswith(b"\n") else data + b"\n")

    def _tell(self, watchers: list[LinesWatcher], service: str, lines: bytes) -> None:
        for watcher in tuple(watchers):
            if watcher in watchers:
                try:
                    watcher(lines)
                except Exception as error:  # what it watches for is not seen, but the output goes on
                    watchers.remove(watcher)
                    self._journal.event(service, f"a watcher of the output failed: {error!r}", LogLevel.ERROR)

    def _drain(self, source: _Source) -> None:
        taken = 0
        while taken < DRAIN_LIMIT and self._sources.get(source.fd) is source:
            size = self._take(source, READ_SIZE)
            if not size:
                break
            taken += size

    def _end(self, source: _Source) -> None:
        """Stop reading a source: its end came, or it is given up."""
        if self._sources.get(source.fd) is not source:
            return
        del self._sources[source.fd]
        self._journalise(source, source.splitter.flush())
        self._loop.remove_reader(source.fd)
        self._paused.discard(source.fd)
        self.terminals.ended(source.fd)
        os.close(source.fd)
        channel = source.channel
        channel.sources.remove(source)
        if channel.sources:
            return
        channel.close_ends()
        if self._newest.get(channel.service) is channel:
            del self._newest[channel.service]
        channels = self._channels[channel.service]
        channels.remove(channel)
        if not channels:
            del self._channels[channel.service]

    def _resume(self) -> None:
        """Read again what was left alone: there is room somewhere. What is still held is left alone again."""
        paused, self._paused = self._paused, set()
        for fd in paused:
            self._loop.add_reader(fd, self._readable, self._sources[fd])
