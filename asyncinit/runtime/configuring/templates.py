"""Instances of templates at run time: by name, and by their number; refuses what cannot be, and knows no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncinit.config.names import meant
from asyncinit.config.spec import Instances
from asyncinit.core.engine import Engine
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime.configuring.configured import Configured, Outcome, Unusable
from asyncinit.runtime.configuring.instances import template_of
from asyncinit.runtime.control.operations import RefusedError

MOST = 1000
"""Instances of one template, as `instances` has them at most."""


class Templates:
    """What can be asked of templates (`runtime.control.operations.TemplateOperations`)."""

    def __init__(self, engine: Engine, configured: Configured) -> None:
        self._engine = engine
        self._configured = configured

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of `names` that could be instances of a template, and are not there."""
        services, templates = self._engine.services, self._configured.configuration.templates
        return [n for n in names if template_of(n) in templates and (n not in services or services[n].gone)]

    def make(self, names: Sequence[str], answer: Callable[[str], None]) -> Callable[[], None]:
        """Have instances be there, not started; `answer` is told what is in the way, or nothing."""
        named = ", ".join(names)
        self._refuse_late(f"start {named}")

        def made(outcome: Outcome) -> None:
            if not isinstance(outcome, Unusable):
                answer("")
            elif outcome.errors:
                more = f" and {len(outcome.errors) - 1} more" if len(outcome.errors) > 1 else ""
                answer(f"cannot make {named}, for the configuration has problems: {outcome.errors[0]}{more}")
            else:
                answer(f"cannot make {named}: {outcome.text}")

        return self._configured.instantiate(Instances(names=tuple(names)), made)

    def scale(self, template: str, count: int, answer: Callable[[Outcome], None]) -> Callable[[], None]:
        """Have so many numbered instances of a template, all started; the others go."""
        name = template if template.endswith("@") else f"{template}@"
        templates = self._configured.configuration.templates
        if name not in templates:
            if template in self._engine.services:
                raise RefusedError(f"cannot scale {template}: it is one service; a template's file is {name}.toml")
            raise UnknownServiceError(name, meant(name, templates))
        self._refuse_late(f"scale {name}")
        if not 0 <= count <= MOST:
            raise RefusedError(f"cannot have {count} instances of {name}: expected a number from 0 to {MOST}")
        called = next((one for one in templates[name] if not one.removeprefix(name).isdecimal()), None)
        if called is not None:
            text = f"cannot count the instances of {name}: they are called by name ({called}); start and stop these"
            raise RefusedError(text)
        return self._configured.instantiate(Instances(counts={name: count}), answer)

    def _refuse_late(self, what: str) -> None:
        if self._engine.shutting_down:
            raise RefusedError(f"cannot {what}: asyncinit is shutting down")
