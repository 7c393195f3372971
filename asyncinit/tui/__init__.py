"""`asyncinit top`: what runs, on the whole screen of a terminal; a program of its own, never a part of PID 1.

What is shown is decided by modules that know neither a screen nor a socket (`services`, `columns`, `lines`,
`viewport`, `relations`, `acts`); `link` and `follower` keep it true; `views`, `dialogs` and `app` draw it with textual.
"""
