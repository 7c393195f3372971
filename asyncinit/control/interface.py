"""The texts of the interfaces that the socket serves; knows nothing of what the methods do."""

from __future__ import annotations

import os

SERVICE_INTERFACE = "org.varlink.service"

SERVICE_DESCRIPTION = """\
# What every Varlink service answers about itself.
interface org.varlink.service

# Who this is, and which interfaces it has.
method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

# The text of one interface.
method GetInterfaceDescription(interface: string) -> (description: string)

# There is no such interface.
error InterfaceNotFound (interface: string)

# The interface has no such method.
error MethodNotFound (method: string)

# The method is described, but not there.
error MethodNotImplemented (method: string)

# A parameter is missing, unknown, or not of its type.
error InvalidParameter (parameter: string)

# The caller may not do this.
error PermissionDenied ()

# The method must be called with `more`.
error ExpectedMore ()
"""


def load_description() -> str:
    """Return the text of io.asyncinit (`io.asyncinit.varlink` beside this module); raises OSError.

    Through the loader that brought this module, so that it works from a zip file too.
    """
    path = os.path.join(os.path.dirname(__file__), "io.asyncinit.varlink")
    loader = __spec__.loader if __spec__ is not None else None
    read = getattr(loader, "get_data", None)
    if read is None:
        with open(path, "rb") as file:
            return file.read().decode()
    data: bytes = read(path)
    return data.decode()
