"""What would happen, without anything being run: the engine that asyncinit runs on, with a clock that is made up.

`core` decides as always; what is made up is the world around it (`world`): processes that become ready, end and fail as
a `scenario` says. `run` puts them together and gives back a time line; `assertions` judges it. Reads no file, starts no
process, looks at no clock: the same scenario has the same outcome, everywhere.
"""
