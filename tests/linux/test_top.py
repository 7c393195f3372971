"""`asyncinit top` as a program of textual's, driven by its pilot, against services that exist only here."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from asyncinit.client.connection import Connection
from asyncinit.client.errors import NotRunningError
from asyncinit.control.types import HealthStatus, ReasonStatus, ServiceUsage, SystemState, timestamp
from asyncinit.core.status import Code, State
from asyncinit.tui.app import Top
from tests.fake_operations import START, Running, running_server, service
from tests.linux.running import FORKING
from tests.support import PYTHON, ROOT

Story = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A server with four services, all ready; the loop makes no difference to a client."""
    loop = asyncio.new_event_loop()
    with running_server(loop, str(tmp_path / "control.sock"), "app", "db", "web@1", "web@2") as server:
        server.operations.told.needs = {"app": {"requires": ["db"]}, "web@1": {"wants": ["db"]}}
        yield server
    loop.close()


def drive(running: Running, story: Story, size: tuple[int, int] = (80, 24)) -> None:
    """Show the services on a screen of this size, and have a person do something."""

    async def main() -> None:
        async with Top(Connection(running.address)).run_test(size=size) as pilot:
            await until(pilot, "app ")
            await story(pilot)

    asyncio.run(main())


def shown(pilot: Pilot[None]) -> str:
    """What stands on the screen, with what a dialog is in front of."""
    width, height = pilot.app.size
    lines = [" " * width for _ in range(height)]
    for one in pilot.app.screen_stack:
        for number, strip in enumerate(one._compositor.render_strips()):
            if strip.text.strip():
                lines[number] = strip.text
    return "\n".join(line.rstrip() for line in lines)


async def until(pilot: Pilot[None], *texts: str, gone: str = "", timeout: float = 20.0) -> str:
    """Wait until all these texts are on the screen, and `gone` is not; return what is on it."""
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        seen = shown(pilot)
        if all(text in seen for text in texts) and not (gone and gone in seen):
            return seen
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {timeout} s: {texts}, without {gone!r}\n{seen}")
        await pilot.pause(0.01)


class TestLooking:
    def test_the_services(self, running: Running) -> None:
        """Each service stands there with state, restarts, use, health and what there is to say."""
        reason = ReasonStatus(code=Code.EXIT_CODE, text="exited with 3")
        probed = HealthStatus(healthy=True, failures=0, probed=timestamp(START), text=None)
        operations = running.operations
        operations.services_by_name["db"] = service("db", State.BACKOFF, restarts=7, reason=reason)
        operations.services_by_name["app"] = service("app", health=probed)
        operations.told.usages = [ServiceUsage(name="app", cpu_seconds=1.0, memory=5 << 20, processes=2)]

        async def story(pilot: Pilot[None]) -> None:
            seen = await until(pilot, "3 of 4 up", "5.0M", "0.0%")
            line = next(line for line in seen.splitlines() if line.startswith("db "))
            assert "! backoff" in line
            assert " 7 " in line
            assert "exited with 3" in line
            assert "well" in next(line for line in seen.splitlines() if line.startswith("app "))

        drive(running, story)

    def test_changes_are_shown_as_they_come(self, running: Running) -> None:
        """An event has the service asked for, and no other."""

        def fail() -> None:
            running.operations.services_by_name["db"] = service("db", State.FAILED)
            running.operations.emit("db", State.FAILED, "db failed")

        async def story(pilot: Pilot[None]) -> None:
            running.call(fail)
            await until(pilot, "! failed", "3 of 4 up")

        drive(running, story)

    def test_services_that_come_and_go(self, running: Running) -> None:
        """A service that is new appears, one that was removed disappears."""

        def change() -> None:
            del running.operations.services_by_name["web@2"]
            running.operations.services_by_name["new"] = service("new")
            running.operations.emit("new", State.READY, "new is ready")

        async def story(pilot: Pilot[None]) -> None:
            running.call(change)
            await until(pilot, "\nnew ", gone="web@2")

        drive(running, story)

    def test_sorted_and_filtered(self, running: Running) -> None:
        """Services are sorted by another column, and found by a part of their names, typed at once."""
        running.operations.services_by_name["web@2"] = service("web@2", State.FAILED)

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("o")
            seen = await until(pilot, "sorted by state")
            assert seen.splitlines()[2].startswith("web@2")
            await pilot.press("f", *"web")
            await until(pilot, "services with: web", "filter: web (2)", gone="\ndb ")
            await pilot.press("enter")
            await pilot.press("down")
            await until(pilot, "log of web@1", gone="services with")
            await pilot.press("escape")
            await until(pilot, "\ndb ", gone="filter")

        drive(running, story)

    def test_the_graph_and_the_details(self, running: Running) -> None:
        """The graph shows both directions with states; the details say why it is so and what is known."""

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("down", "g")
            await until(pilot, "graph of db", "db is needed by", "|-- app", "`-- web@1", "wants")
            await pilot.press("d")
            await until(pilot, "details of db", "has been ready for 5 s", "nothing would follow", "services.d/db.toml")
            await pilot.press("l")
            await until(pilot, "log of db")

        drive(running, story)

    def test_help_has_every_key(self, running: Running) -> None:
        """The help can be scrolled to its last key, and is closed as it was opened."""

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("question_mark")
            await until(pilot, "Keys of asyncinit top", "Looking")
            for _ in range(60):
                await pilot.press("down")
            await until(pilot, "q ^C", "Esc close")
            await pilot.press("escape")
            await until(pilot, "? help", gone="Keys of")

        drive(running, story)

    def test_a_thousand_services(self, running: Running) -> None:
        """A thousand services are sorted, filtered and gone through; when all change at once, all of it is shown."""
        names = [f"svc-{number:04d}" for number in range(1000)]

        def add() -> None:
            running.operations.services_by_name |= {name: service(name) for name in names}
            running.operations.emit(None, None, "the configuration was read again")

        def fail() -> None:
            for name in names:
                running.operations.services_by_name[name] = service(name, State.FAILED)
                running.operations.emit(name, State.FAILED, "failed")

        async def story(pilot: Pilot[None]) -> None:
            running.call(add)
            await until(pilot, "1004 of 1004 up")
            await pilot.press("f", *"svc-0999")
            await until(pilot, "filter: svc-0999 (1)", "log of svc-0999")
            await pilot.press("escape")
            await pilot.press("end", "pageup", "pageup", "home")
            running.call(fail)
            await until(pilot, "4 of 1004 up")
            await pilot.press("o", "home")
            await until(pilot, "sorted by state", "svc-0000 ! failed")

        drive(running, story)

    def test_a_small_screen(self, running: Running) -> None:
        """On 40 columns and 12 rows the services, their states, the log and the way to the help are there."""
        running.call(running.operations.log.add, "app", b"hello")

        async def story(pilot: Pilot[None]) -> None:
            seen = await until(pilot, "+ ready", "log of app", "hello", "? help")
            assert len(seen.splitlines()) == 12
            await pilot.press("z")
            await until(pilot, "hello", gone="NAME")
            await pilot.press("z")
            await until(pilot, "NAME", gone="hello")

        drive(running, story, size=(40, 12))

    def test_another_size(self, running: Running) -> None:
        """A terminal that is made larger, smaller, tiny and normal again shows everything again."""

        async def story(pilot: Pilot[None]) -> None:
            for size in ((120, 40), (40, 12), (10, 3), (1, 1), (80, 24)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
            await until(pilot, "log of app", "? help", "HEALTH")

        drive(running, story)


class TestLog:
    def test_followed_searched_filtered(self, running: Running) -> None:
        """Lines appear as they come; a search goes back from the newest; a filter leaves lines out."""
        running.call(running.operations.log.add, "app", *(b"line %d" % number for number in range(1, 201)))

        async def story(pilot: Pilot[None]) -> None:
            await until(pilot, "line 200")
            running.call(running.operations.log.add, "app", b"and one more")
            await until(pilot, "and one more", "follow")
            await pilot.press("slash", *"line 5", "enter")
            await until(pilot, "line 59", "held", "search line 5")
            await pilot.press("n")
            await until(pilot, "no further line has line 5")
            await pilot.press("N")
            await until(pilot, "line 58 of 201")
            await pilot.press("escape", "space")
            await until(pilot, "and one more", "follow", gone="search line")
            await pilot.press("ampersand", *"line 19", "enter")
            await until(pilot, "line 199", "line 19\n", "lines with line 19", gone="and one more")
            await pilot.press("escape")
            await until(pilot, "and one more")

        drive(running, story)

    def test_scrolled_back(self, running: Running) -> None:
        """Moved into with Tab, the log scrolls back to its beginning, and holds there while lines come."""
        running.call(running.operations.log.add, "app", *(b"line %d" % number for number in range(1, 201)))

        async def story(pilot: Pilot[None]) -> None:
            await until(pilot, "line 200")
            await pilot.press("tab", "home")
            await until(pilot, "line 1\n", ">> log of app", "held at")
            running.call(running.operations.log.add, "app", b"one more")
            await pilot.press("down")
            seen = await until(pilot, "line 2\n", gone="line 1\n")
            assert "one more" not in seen
            await pilot.press("end")
            await until(pilot, "one more")

        drive(running, story)

    def test_another_service_has_another_log(self, running: Running) -> None:
        """The log is that of the service that is selected."""
        running.call(running.operations.log.add, "app", b"of the app")
        running.call(running.operations.log.add, "db", b"of the database")

        async def story(pilot: Pilot[None]) -> None:
            await until(pilot, "of the app")
            await pilot.press("down")
            await until(pilot, "of the database", gone="of the app")

        drive(running, story)

    def test_a_flood_is_bounded(self, running: Running) -> None:
        """A hundred thousand lines leave the screen alive, its memory bounded, and the newest line shown."""

        async def story(pilot: Pilot[None]) -> None:
            await until(pilot, "log of app")
            for batch in range(400):
                lines = [b"line %d" % (batch * 250 + number) for number in range(250)]
                running.loop.call_soon_threadsafe(running.operations.log.add, "app", *lines)
            await pilot.press("down", "up")
            running.loop.call_soon_threadsafe(running.operations.log.add, "app", b"the last")
            await until(pilot, "the last", timeout=60)
            app = pilot.app
            assert isinstance(app, Top)
            assert len(app.follower.lines.all) <= 6000

        drive(running, story)

    def test_what_a_line_has_is_not_obeyed(self, running: Running) -> None:
        """Escape sequences and wide characters in lines leave the screen as it is."""
        running.call(
            running.operations.log.add, "app", b"\x1b[2J\x1b[31mred", "日本語".encode() * 40, b"\xff\xfe", b"end"
        )

        async def story(pilot: Pilot[None]) -> None:
            seen = await until(pilot, "red", "日本語", "\ufffd", "  end", "app  ")
            assert "\x1b" not in seen

        drive(running, story)


class TestDoing:
    def test_each_action_and_what_came_of_it(self, running: Running) -> None:
        """Start, restart, reload and a signal are carried out for the selected service, and the result is told."""

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("s")
            await until(pilot, "app: ready")
            await pilot.press("S")
            await until(pilot, "app: inactive", "- inactive")
            await pilot.press("r")
            await until(pilot, "app: ready", "+ ready")
            await pilot.press("R")
            await until(pilot, "app: ready")
            await pilot.press("K")
            await until(pilot, "Signal to app", "> HUP")
            await pilot.press("down", "down", "up", "enter")
            await until(pilot, "INT to app: sent")

        drive(running, story)
        assert [str(job.verb) for job in running.operations.jobs] == ["start", "stop", "restart", "reload"]
        assert running.operations.signals == [(2, ["app"])]

    def test_others_that_go_down_too_are_asked_for(self, running: Running) -> None:
        """Where others would go down, they are named first; no means that nothing is done."""

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("down", "S")
            await until(pilot, "Stop db? That takes 1 other service down first: app.", "y yes   n no")
            await pilot.press("n")
            await until(pilot, "? help", gone="Stop db?")
            await pilot.press("r")
            await until(pilot, "o only db")
            await pilot.press("o")
            await until(pilot, "db: ready", gone="Restart db?")

        drive(running, story)
        assert [(str(job.verb), job.only) for job in running.operations.jobs] == [("restart", True)]

    def test_failures_are_shown(self, running: Running) -> None:
        """An action that fails, or is refused, stays on the screen until it is read."""
        running.operations.failing = {"app"}

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("s")
            await until(pilot, "Start app: not done", "app: failed: exited with 1")
            await pilot.press("escape")
            await until(pilot, "? help", gone="not done")

        drive(running, story)

    def test_scaling_needs_a_template(self, running: Running) -> None:
        """The number is asked for with the present one; what is no instance of a template has none."""

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("c")
            await until(pilot, "app is no instance of a template")
            await pilot.press("end", "c")
            await until(pilot, "How many instances of web@? Now: 2.")
            await pilot.press("escape")
            await until(pilot, "log of web@2", gone="How many")

        drive(running, story)


class TestConnection:
    def test_asyncinit_goes_and_comes_again(self, running: Running, tmp_path: Path) -> None:
        """Without asyncinit it says so and keeps what it knew; when one is there again it goes on by itself."""

        async def story(pilot: Pilot[None]) -> None:
            running.call(running.server.close)
            await until(pilot, "no connection, trying again", "\ndb ")
            loop = asyncio.new_event_loop()
            with running_server(loop, str(tmp_path / "control.sock"), "app", "another"):
                await until(pilot, "2 of 2 up", "another", gone="no connection")
            loop.close()

        drive(running, story)

    def test_one_connection_alone_is_lost(self, running: Running) -> None:
        """Where the server hangs up on a follower only, that is asked for again, and no line is told twice."""
        running.call(running.operations.log.add, "app", b"the first line")

        def hang_up() -> None:
            for connection in list(running.server._clients)[1:]:
                connection.close()

        async def story(pilot: Pilot[None]) -> None:
            await until(pilot, "the first line")
            running.call(hang_up)
            running.call(running.operations.log.add, "app", b"the second line")
            seen = await until(pilot, "the second line")
            assert seen.count("the first line") == 1
            running.operations.services_by_name["db"] = service("db", State.FAILED)
            await pilot.pause(0.1)
            await until(pilot, "! failed")

        drive(running, story)

    def test_its_end_is_told(self, running: Running) -> None:
        """An asyncinit that shuts down is told to do so, and to have ended."""

        def end() -> None:
            running.operations.state = SystemState.STOPPING
            running.operations.emit(None, None, "asyncinit is shutting down")
            running.loop.call_later(0.2, running.server.close)

        async def story(pilot: Pilot[None]) -> None:
            running.call(end)
            await until(pilot, "asyncinit has ended")

        drive(running, story)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.filterwarnings(FORKING)
def test_who_may_only_look_is_told_so() -> None:
    """Where control_read lets others look, keys that do something say that it is not allowed."""
    loop = asyncio.new_event_loop()
    with running_server(loop, f"@asyncinit-test-top-{os.getpid()}", "app", control_read="all") as running:

        async def story(pilot: Pilot[None]) -> None:
            await pilot.press("s")
            await until(pilot, "not allowed")

        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgid(65534)
                os.setuid(65534)
                drive(running, story)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
    loop.close()


class TestCommand:
    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON, *words],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    def test_no_terminal(self) -> None:
        """Without a terminal it says what does without one, and is a usage error."""
        done = self.run("-m", "asyncinit", "top", TERM="xterm")
        assert (done.returncode, done.stdout) == (2, "")
        assert "needs a terminal" in done.stderr

    def test_pid_1_never_loads_it(self) -> None:
        """Neither the life of `run` nor `status` loads what draws screens."""
        for module in ("asyncinit.runtime.entry", "asyncinit.runtime.assembly", "asyncinit.cli.status"):
            code = (
                f"import sys, {module}; print([n for n in sys.modules if n.startswith(('textual', 'asyncinit.tui'))])"
            )
            assert self.run("-c", code).stdout == "[]\n"

    def test_without_the_extra(self, tmp_path: Path) -> None:
        """Where textual is not installed, one line says how to get it, and the exit status is 69."""
        code = (
            "import sys, os; sys.modules['textual'] = None; os.environ['TERM'] = 'xterm'\n"
            "from asyncinit.cli import screen; screen.is_terminal = lambda descriptor=1: True\n"
            "from asyncinit.cli.app import main; sys.exit(main(['top']))"
        )
        done = self.run("-c", code)
        assert done.returncode == 69
        assert done.stderr == "asyncinit: top needs textual: pip install 'asyncinit[tui]'\n"

    def test_nobody_there(self, tmp_path: Path) -> None:
        """Where no asyncinit runs, that is told as by every other command."""
        code = (
            "import sys, os; os.environ['TERM'] = 'xterm'\n"
            "from asyncinit.cli import screen; screen.is_terminal = lambda descriptor=1: True\n"
            f"from asyncinit.cli.app import main; sys.exit(main(['--socket', {str(tmp_path / 'none')!r}, 'top']))"
        )
        done = self.run("-c", code)
        assert done.returncode == NotRunningError.exit_code == 3
        assert "not running" in done.stderr


def test_python_is_this_one() -> None:
    """The pilot drives the very code that the command runs."""
    assert sys.modules[Top.__module__].__file__ == str(ROOT / "asyncinit" / "tui" / "app.py")
