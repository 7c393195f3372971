"""The power button's program: which devices have one, and what is a press of it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from asyncinit.machine.programs.power_button import KEY_POWER, Buttons, buttons, presses

EVENT = struct.Struct("llHHi")
PRESS = EVENT.pack(0, 0, 1, KEY_POWER, 1)
RELEASE = EVENT.pack(0, 0, 1, KEY_POWER, 0)
SYNC = EVENT.pack(0, 0, 0, 0, 0)


def device(root: Path, name: str, keys: str) -> None:
    folder = root / "sys/class/input" / name / "device/capabilities"
    folder.mkdir(parents=True)
    (folder / "key").write_text(keys + "\n")


def test_which_devices_have_one(tmp_path: Path) -> None:
    """As the kernel's bits say: ACPI's button, a keyboard; not a mouse, nor one that says nothing."""
    bits = 8 * struct.calcsize("l")
    words = ["0"] * (KEY_POWER // bits + 1)
    words[0] = f"{1 << KEY_POWER % bits:x}"
    device(tmp_path, "event0", " ".join(words))
    device(tmp_path, "event1", "1 " + " ".join([f"{(1 << bits) - 1:x}"] * len(words)))
    device(tmp_path, "event2", "0")
    device(tmp_path, "mouse0", " ".join(words))
    (tmp_path / "sys/class/input/event3").mkdir()
    assert buttons(str(tmp_path)) == {f"{tmp_path}/dev/input/event{number}" for number in (0, 1)}
    assert buttons(str(tmp_path / "none")) == set()


def test_what_is_a_press() -> None:
    """The key going down; not its coming up, its repeating, or another key."""
    other = EVENT.pack(0, 0, 1, 28, 1)
    repeat = EVENT.pack(0, 0, 1, KEY_POWER, 2)
    assert presses(PRESS + SYNC + RELEASE + SYNC) == 1
    assert presses(other + RELEASE + repeat) == 0
    assert presses(PRESS + PRESS[:5]) == 1


def test_devices_come_and_go(tmp_path: Path) -> None:
    """One that is gone is let go of; one that has come is read."""
    paths = {str(tmp_path / "event0")}
    pressed: list[int] = []
    all_buttons = Buttons(lambda: pressed.append(1), lambda: set(paths))
    os.mkfifo(tmp_path / "event0")
    all_buttons.look()
    writer = os.open(tmp_path / "event0", os.O_WRONLY)
    os.write(writer, PRESS + SYNC + RELEASE)
    all_buttons.wait()
    os.close(writer)
    all_buttons.wait()  # the end of it
    paths.add(str(tmp_path / "event1"))
    os.mkfifo(tmp_path / "event1")
    all_buttons.look()
    writers = [os.open(tmp_path / name, os.O_WRONLY) for name in ("event0", "event1")]
    os.write(writers[1], PRESS)
    all_buttons.wait()
    assert len(pressed) == 2
    for fd in writers:
        os.close(fd)
