"""Other programs' files to services of asyncinit: `asyncinit import`; runs nothing, asks no server.

A translator is a function `translate(sources) -> Translation` in a module of its own, named in `formats.FORMATS`.
It does three things:

1. It gives every setting that its sources have to the ledger: `setting = ledger.add(file, line, name, value)`.
2. It makes a `Draft` for each service (or pod), and puts keys into it, each with the setting that it is from:
   `draft.put(setting, "restart.policy", "always")`. That is what counts as translated, and becomes a comment beside the
   key. `verdict=Verdict.APPROXIMATED` and a `note` say that it is not quite the same.
3. What becomes no key it says to the ledger: `ledger.say(setting, Verdict.NOT_NEEDED, "asyncinit always does so")`.

A setting that was given and never mentioned again has no equivalent, and the report says so: nothing is lost because a
translator forgot it. `writing` lays drafts out as TOML, checks the whole and writes it.

- `report`: the ledger, and what it tells.
- `service`: drafts.
- `layout`: a draft as TOML with comments.
- `refusing`: what asyncinit does not take is taken out of a draft, and told.
- `writing`: all files or none, checked before anything is replaced.
- `formats`: which translators there are.
- `project`: no translator, but the guesses of `asyncinit new`, which become drafts too.
"""
