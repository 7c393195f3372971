"""Be a service whose processes are hard to find or to end; which one is told by the first argument.

Each process tells itself on stdout, one line: its role and its pid. All end by themselves after some minutes, so that
a failed test leaves nothing for ever.

    idle               sleeps
    children N         N children that sleep
    immune-child       a child that ignores SIGTERM; this one dies of it
    setsid-child       a child in a session of its own
    escapee            a process that has left by fork, setsid, fork; with "clear" also without its environment
    job-left-behind    leaves a child without environment in a group of its own and ends
    orphan-in-group    leaves a child behind in its group and ends
    fork-loop CAP      every process forks for ever, up to CAP at a time
    comet CAP          as fork-loop, but every process ends as soon as it has forked
    hopper             every generation makes a new session, forks and ends
    first-thread       its first thread ends, another one goes on
    traced             a child that is stopped under ptrace by this one
    jobs               like a shell with job control: stopped children, each in a group of its own
"""

import ctypes
import mmap
import os
import signal
import sys
import time

LIFE = 240


def tell(role):
    os.write(1, f"{role} {os.getpid()}\n".encode())


def rest(role=""):
    if role:
        tell(role)
    signal.alarm(LIFE)
    while True:
        signal.pause()


def in_child(action, *arguments):
    pid = os.fork()
    if pid == 0:
        try:
            action(*arguments)
        finally:
            os._exit(0)
    return pid


def children(count):
    for _ in range(int(count)):
        in_child(rest, "child")
    rest("main")


def immune():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    rest("child")


def immune_child():
    in_child(immune)
    rest("main")


def setsid_rest():
    os.setsid()
    rest("child")


def setsid_child():
    in_child(setsid_rest)
    rest("main")


def become_idle():
    os.execve(sys.executable, [sys.executable, "-I", "-S", __file__, "idle"], {})


def lone_job():
    os.setpgid(0, 0)
    become_idle()


def job_left_behind():
    in_child(lone_job)


def leave(clear):
    os.setsid()
    if os.fork() == 0:
        if clear:
            become_idle()
        rest("idle")
    os._exit(0)


def escapee(clear=""):
    os.waitpid(in_child(leave, clear), 0)
    rest("main")


def orphan_in_group():
    tell("main")
    in_child(rest, "child")


class Crowd:
    """A count of processes that all of a family share."""

    def __init__(self, cap):
        self.cap = int(cap)
        self.count = mmap.mmap(-1, 8)
        self.end = time.monotonic() + LIFE

    def __len__(self):
        return int.from_bytes(self.count[:8], "little")

    def enter(self, change):
        # Not atomic: the cap is a safety for the machine, not a promise.
        self.count[:8] = max(0, len(self) + change).to_bytes(8, "little")


def fork_loop(cap):
    crowd = Crowd(cap)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    tell("main")
    while time.monotonic() < crowd.end:
        if len(crowd) < crowd.cap and os.fork() == 0:
            crowd.enter(1)


def comet(cap):
    crowd = Crowd(cap)
    tell("main")
    for _ in range(crowd.cap):
        if os.fork() == 0:
            break
    else:
        rest()
    while time.monotonic() < crowd.end:
        if os.fork():
            os._exit(0)


def hopper():
    end = time.monotonic() + LIFE
    tell("main")
    if os.fork():
        rest()
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()


def first_thread():
    import threading

    threading.Thread(target=time.sleep, args=(LIFE,), daemon=True).start()
    tell("main")
    ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)  # exit(2): of this thread alone


def trace_me():
    ctypes.CDLL(None).ptrace(0, 0, None, None)
    tell("child")
    os.kill(os.getpid(), signal.SIGSTOP)
    rest()


def traced():
    in_child(trace_me)
    rest("main")


def job():
    os.setpgid(0, 0)
    tell("child")
    os.kill(os.getpid(), signal.SIGSTOP)
    rest()


def jobs():
    for _ in range(3):
        in_child(job)
    rest("main")


ROLES = {
    "idle": lambda: rest("idle"),
    "children": children,
    "immune-child": immune_child,
    "setsid-child": setsid_child,
    "escapee": escapee,
    "job-left-behind": job_left_behind,
    "orphan-in-group": orphan_in_group,
    "fork-loop": fork_loop,
    "comet": comet,
    "hopper": hopper,
    "first-thread": first_thread,
    "traced": traced,
    "jobs": jobs,
}
ROLES[sys.argv[1]](*sys.argv[2:])
