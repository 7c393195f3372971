"""Make standard input the controlling terminal of this session, then execute the rest of the command line.

With --new-session first that is a session of our own, as for PID 1 of a container with a terminal.
"""

import fcntl
import os
import sys
import termios

words = sys.argv[1:]
if words[0] == "--new-session":
    del words[0]
    os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(words[0], words)
