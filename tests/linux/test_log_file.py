"""Log files on a real disk: appended to, rotated, compressed, and never where somebody leads us."""

from __future__ import annotations

import asyncio
import gzip
import os
import stat
from pathlib import Path

import pytest

from asyncinit.runtime.output.buffer import Buffer
from asyncinit.runtime.output.compress import Compressor, compress
from asyncinit.runtime.output.log_file import FilePolicy, LogFile
from asyncinit.runtime.process.offload import Offloader
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.timers import Timers

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may be misled")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def write(file: LogFile, text: str) -> None:
    data = memoryview(text.encode())
    while data:
        data = data[file.write(data) :]


def test_rotation(tmp_path: Path) -> None:
    """The chain grows up to `keep`, no file is larger than allowed but for one long line, every line is whole."""
    file = LogFile(f"{tmp_path}/a/web.log", FilePolicy(max_size=100, keep=3))
    for number in range(40):
        write(file, f"line {number}\n" * 2)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    for path in (tmp_path / "a").iterdir():
        assert path.stat().st_size <= 100
        assert path.read_text().endswith("\n")
    write(file, "x" * 300 + "\n" + "y\n")
    assert (tmp_path / "a/web.log.1").read_text() == "x" * 300 + "\n"
    assert (tmp_path / "a/web.log").read_text() == "y\n"
    file.close()


def test_a_line_in_pieces_is_not_torn_by_a_rotation(tmp_path: Path) -> None:
    """What does not end with a newline is gone on with in the same file."""
    file = LogFile(f"{tmp_path}/web.log", FilePolicy(max_size=20))
    write(file, "0123456789 012")
    write(file, "0123456789 0123456789\nnext\n")
    assert (tmp_path / "web.log.1").read_text() == "0123456789 0120123456789 0123456789\n"
    assert (tmp_path / "web.log").read_text() == "next\n"
    file.close()


def test_nothing_is_kept(tmp_path: Path) -> None:
    """With keep = 0 the full file goes; it is another one that begins, so who reads the old one reads on."""
    file = LogFile(f"{tmp_path}/web.log", FilePolicy(max_size=10, keep=0))
    write(file, "123456789\n")
    with (tmp_path / "web.log").open() as reader:
        write(file, "abc\n")
        assert reader.read() == "123456789\n"
    assert [path.name for path in tmp_path.iterdir()] == ["web.log"]
    assert (tmp_path / "web.log").read_text() == "abc\n"
    file.close()


def test_what_a_crash_left_unfinished_is_ended(tmp_path: Path) -> None:
    """The next line begins on a line of its own; whoever resumes goes on in the middle."""
    path = tmp_path / "web.log"
    path.write_text("whole\nhal")
    file = LogFile(str(path), FilePolicy())
    write(file, "new\n")
    file.close()
    assert path.read_text() == "whole\nhal\nnew\n"
    path.write_text("whole\nhal")
    file.open()
    file.resume(midline=True)
    write(file, "f\nnew\n")
    file.close()
    assert path.read_text() == "whole\nhalf\nnew\n"


def test_a_file_that_was_moved_or_removed(tmp_path: Path) -> None:
    """It is made again, at once by `reopen`, else at a write a second later."""
    clock, path = Clock(), tmp_path / "web.log"
    file = LogFile(str(path), FilePolicy(), clock=clock)
    write(file, "a\n")
    path.rename(tmp_path / "moved")
    write(file, "b\n")
    clock.now += 1.0
    write(file, "c\n")
    path.unlink()
    file.reopen()
    write(file, "d\n")
    assert (tmp_path / "moved").read_text() == "a\nb\n"
    assert path.read_text() == "d\n"
    file.close()


@as_root
def test_nobody_leads_us_elsewhere(tmp_path: Path) -> None:
    """In a folder of another user neither a symbolic link nor a second name of a file is written to; a pipe nowhere."""
    secret = tmp_path / "secret"
    secret.write_text("")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 1234, 1234)
    (theirs / "link.log").symlink_to(secret)
    os.link(secret, theirs / "hard.log")
    (theirs / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.log")
    for name in ("theirs/link.log", "theirs/hard.log", "theirs/folder/new.log", "pipe.log"):
        file = LogFile(f"{tmp_path}/{name}", FilePolicy())
        with pytest.raises(OSError):
            file.open()
        file.close()
    assert secret.read_text() == ""
    assert not (tmp_path / "new.log").exists()


def test_the_mode_of_new_files(tmp_path: Path) -> None:
    """It is as declared, whatever our umask is; an existing file keeps its own."""
    before = os.umask(0o077)
    try:
        for mode in (0o640, 0o604):
            file = LogFile(f"{tmp_path}/{mode:o}/x.log", FilePolicy(mode=mode))
            write(file, "x\n")
            file.close()
            assert stat.S_IMODE((tmp_path / f"{mode:o}/x.log").stat().st_mode) == mode
        (tmp_path / "640/x.log").chmod(0o600)
        file = LogFile(f"{tmp_path}/640/x.log", FilePolicy(mode=0o640))
        file.open()
        file.close()
        assert stat.S_IMODE((tmp_path / "640/x.log").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_compression_finds_a_file_that_was_renamed_meanwhile(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """What the child has packed takes the place of the file wherever that is by then; all old files get their turn."""
    reaper, timers = Reaper(loop), Timers(loop)
    offloader = Offloader(loop, reaper, timers)
    told: list[str] = []
    file = LogFile(f"{tmp_path}/web.log", FilePolicy(max_size=4096, keep=9, compress=True))
    compressor = Compressor(file, offloader.run, told.append)
    for number in range(400):
        write(file, f"line {number}\n" * 4)
        if number == 200:
            compressor.look()

    def look() -> None:
        reaper.reap()
        compressor.look()
        if any(path.suffix != ".gz" and path.name != "web.log" for path in tmp_path.iterdir()):
            loop.call_later(0.01, look)
        else:
            loop.stop()

    look()
    loop.run_forever()
    assert told == []
    lines = []
    for number in range(9, 0, -1):
        packed = tmp_path / f"web.log.{number}.gz"
        if packed.exists():
            lines += gzip.decompress(packed.read_bytes()).decode().splitlines()
    lines += (tmp_path / "web.log").read_text().splitlines()
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 399
    file.close()
    offloader.close()


def test_a_compression_that_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    """No half a file stays behind."""
    (tmp_path / "web.log.1").mkdir()
    with pytest.raises(OSError):
        compress(str(tmp_path), "web.log.1", "web.log.compressing")
    assert [path.name for path in tmp_path.iterdir()] == ["web.log.1"]


class Taker:
    """A writer that takes what it is let to."""

    closed = False
    direct = True

    def __init__(self) -> None:
        self.taken = b""
        self.full = True

    def write(self, data: memoryview) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        self.taken += data
        return len(data)

    def passes(self, error: OSError) -> bool:
        return True

    def wait(self) -> None: ...

    def poll(self, seconds: float) -> bool:
        return True

    def close(self) -> None: ...


def test_what_is_kept_is_not_dropped_for_others(loop: asyncio.AbstractEventLoop) -> None:
    """With a full disk the lines of who does not wait go first; of who waits none, up to the hard limit."""
    taker = Taker()
    buffer = Buffer(loop, lambda _writable: taker, limit=1000)
    lost: dict[str, int] = {}
    buffer.lost = lambda source, lines: lost.update({source: lost.get(source, 0) + lines})
    buffer.notice = lambda lines, size: f"{lines} missing\n".encode()
    for number in range(100):
        buffer.write(b"drop %03d\n" % number, source="drops")
        if number < 30:
            buffer.write(b"keep %03d\n" % number, source="keeps", keep=True)
            assert not buffer.blocked or number > 20
    loop.call_later(1.05, loop.stop)  # it is held for a second
    loop.run_forever()
    for number in range(100, 300):
        buffer.write(b"drop %03d\n" % number, source="drops")
    assert lost.keys() == {"drops"}
    taker.full = False
    buffer.retry()
    assert buffer.flush(5.0)
    lines = taker.taken.decode().splitlines()
    assert [line for line in lines if line.startswith("keep")] == [f"keep {number:03d}" for number in range(30)]
    kept = [line for line in lines if line.startswith("drop")]
    assert len(kept) + lost["drops"] == 300
    assert kept[-1] == "drop 299"
    assert f"{lost['drops']} missing" in lines
    buffer.close()
