"""Tell every signal that arrives, one line each ("SIGHUP from kernel"), in the order of arrival; end by SIGKILL only.

With a number as argument it ends with status 0 after so many signals. Signals that stop are told, then obeyed.
"""

import _signal
import os
import sys

NAMES = {getattr(_signal, name): name for name in sorted(dir(_signal)) if name.startswith("SIG") and name[3] != "_"}
CATCHABLE = _signal.valid_signals() - {4, 5, 6, 7, 8, 9, 11, 19, 31}
STOPS = (_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU)


def tell(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def main() -> None:
    _signal.pthread_sigmask(_signal.SIG_BLOCK, CATCHABLE)
    tell(f"ready {os.getpid()} {os.getppid()} {os.getpgrp()}")
    left = int(sys.argv[1]) if len(sys.argv) > 1 else -1
    while left:
        info = _signal.sigwaitinfo(CATCHABLE)
        if info.si_signo == _signal.SIGCHLD:
            continue
        name = NAMES.get(info.si_signo, str(int(info.si_signo)))
        tell(f"{name} from {'kernel' if info.si_code == 0x80 else 'process'}")
        if info.si_signo in STOPS:
            os.kill(os.getpid(), info.si_signo)
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (info.si_signo,))
            _signal.pthread_sigmask(_signal.SIG_BLOCK, (info.si_signo,))
        left -= 1


main()
