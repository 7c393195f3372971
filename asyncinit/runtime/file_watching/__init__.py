"""What tells that files have changed: a child for each set of paths looks (`child`), PID 1 is told (`watcher`).

A child, and not the loop of PID 1, holds the inotify instance (asyncinotify reads it), because with it comes what PID 1
must not do: walking through folders, which may be a hundred thousand, or on a dead network file system; adding a watch,
for which the kernel looks up a path; matching names with the regular expressions that lines of a .gitignore become
(pathspec), which somebody else has written; and waking up for each of the ten thousand changes of a `git checkout`.
PID 1 gets one message for all of them. Each set of paths has a child of its own, so that what hangs or exceeds a limit
is one service's. The child sleeps in poll(2) without a time limit while nothing changes.

`rules` and `tree` are of the child, `changes` is what follows for services.
"""
