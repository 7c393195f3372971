"""Live re-exec: asyncinit replaces itself by the program now installed and goes on with all that it holds.

How a part is carried over
==========================

A *part* is whatever holds kernel state (descriptors, children, deadlines) or counters that users see. It has:

- `XState`, a `msgspec.Struct` beside the class: plain data only (numbers, text, bytes, lists, dictionaries, tuples,
  enums, other Structs). Every field has a default: a program that is one version older or newer leaves out, or does not
  know, some of them. A field never changes its meaning or its type; it gets a new name then.
- `freeze(self, keep: Keep) -> XState`, which describes the part as it stands. It changes nothing and never waits: the
  exec may fail, and then we simply go on. Each descriptor is named as `keep(fd)`, which returns its number: it stays
  open, with that number. What is not named is closed by the exec. Deadlines are absolute (CLOCK_MONOTONIC goes on; so
  does `loop.time()`, but use `timers.now()`). What waits in a `call_soon` or in memory only is state too.
- `thaw(self, state: XState) -> None`, called once on a part that was made as always, before the loop turns for the
  first time. It takes the descriptors, arms the timers (`timers.at(deadline, ...)`, one that has passed fires at once)
  and has each child told to it again: `reaper.adopt(pid, callback)` (the reaper itself remembers the pids and counts).
  A part whose making takes a descriptor (a listening socket) is given it by its constructor instead.

Neither is there for what can be made anew without anybody noticing: caches, the signalfd, an epoll set, `/dev/tty`.
A function that runs in an offloaded child is not carried: its child is killed at the take-over, and whoever needs the
result (its part knows that it was under way) calls `Offloader.run` again; so what is offloaded can be repeated.
A client that waits for an answer is carried too: see `Call.carried` (`runtime.control.connection`).

Then add a field to `State` (`runtime.reexec.state`) and a line each to `gather` and `take_over`
(`runtime.reexec.gathering`). What hangs on one run of a service belongs to `RunState` (`runtime.run`). A part that was
not there in the old program is thawed from a state of defaults, and must be right then too.

A test shows that the state survives (`runtime.reexec.coding`): `decode(encode(part.freeze(keep)), XState)` equals it,
and that a second part, thawed from it, goes on: see `tests/linux/test_carried.py`.
"""
