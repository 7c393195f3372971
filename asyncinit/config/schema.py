"""The JSON Schema of the files, for editors; made from the same classes as everything else."""

from __future__ import annotations

from typing import Any

import msgspec

from asyncinit.config.keys import ServiceFileKeys
from asyncinit.config.sections.pods import PodFileKeys
from asyncinit.config.settings import FileKeys


def json_schema() -> dict[str, Any]:
    """Return a schema of a service's file, with `$defs` for it, a pod's (`PodFileKeys`) and that of `FileKeys`."""
    kinds = (ServiceFileKeys, PodFileKeys, FileKeys)
    (service, *_), definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **service, "$defs": definitions}
