"""The interface's text and the types of the code say the same, in both directions."""

from __future__ import annotations

import enum
import types as python_types
import typing

import msgspec
import pytest
import varlink
from varlink.scanner import _Alias, _Array, _CustomType, _Enum, _Error, _Maybe, _Method, _Struct

from asyncinit.control import types
from asyncinit.control.interface import SERVICE_DESCRIPTION, load_description
from asyncinit.core.status import Code

INTERFACE = varlink.Interface(load_description())


def described(kind: object) -> object:
    """A type of the interface's text, in a form that can be compared."""
    if isinstance(kind, _Maybe):
        return ("maybe", described(kind.element_type))
    if isinstance(kind, _Array):
        return ("array", described(kind.element_type))
    if isinstance(kind, _CustomType):
        return ("named", kind.name)
    if isinstance(kind, _Struct):
        return {name: described(value) for name, value in kind.fields.items()}
    if isinstance(kind, _Enum):
        return tuple(kind.fields)
    return type(kind).__name__


def declared(kind: object) -> object:
    """A type of the code, in the same form."""
    if typing.get_origin(kind) in {typing.Union, python_types.UnionType}:
        inner = [one for one in typing.get_args(kind) if one is not type(None)]
        assert len(inner) == 1
        return ("maybe", declared(inner[0]))
    if typing.get_origin(kind) is list:
        return ("array", declared(typing.get_args(kind)[0]))
    if kind is Code:
        return "str"
    assert isinstance(kind, type)
    if issubclass(kind, (msgspec.Struct, enum.Enum)):
        return ("named", kind.__name__)
    return kind.__name__


def fields_of(kind: type) -> dict[str, object]:
    hints = typing.get_type_hints(kind)
    return {field.name: declared(hints[field.name]) for field in msgspec.structs.fields(kind)}


def members(kind: type) -> dict[str, object]:
    return {name: member for name, member in INTERFACE.members.items() if isinstance(member, kind)}


def test_the_same_methods_types_and_errors() -> None:
    """Nothing is only in the text, and nothing only in the code."""
    assert INTERFACE.name == types.INTERFACE
    assert members(_Method).keys() == types.METHODS.keys()
    assert members(_Alias).keys() == types.TYPES.keys()
    assert members(_Error).keys() == types.ERRORS.keys()


@pytest.mark.parametrize("name", types.METHODS)
def test_methods_take_and_return_the_same(name: str) -> None:
    """Parameters and replies have the same keys of the same types, in the same order."""
    method: typing.Any = INTERFACE.members[name]
    parameters, reply = types.METHODS[name]
    assert list(described(method.in_type).items()) == list(fields_of(parameters).items())  # type: ignore[attr-defined]
    assert list(described(method.out_type).items()) == list(fields_of(reply).items())  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", types.TYPES)
def test_types_are_the_same(name: str) -> None:
    """Structures have the same keys, enumerations the same words."""
    text: typing.Any = INTERFACE.members[name]
    code = types.TYPES[name]
    expected = tuple(code) if issubclass(code, enum.Enum) else fields_of(code)
    assert described(text.type) == expected


@pytest.mark.parametrize("name", types.ERRORS)
def test_errors_carry_the_same(name: str) -> None:
    """An error's parameters are those of its type."""
    text: typing.Any = INTERFACE.members[name]
    assert described(text.type) == fields_of(types.ERRORS[name])


def test_everything_is_documented() -> None:
    """Each method, type and error has a comment right above it, and so has the interface."""
    lines = load_description().splitlines()
    for number, line in enumerate(lines):
        if line.split(" ")[0] in {"interface", "type", "method", "error"}:
            assert lines[number - 1].startswith("# "), line
    for code in Code:
        assert code in load_description()


def test_the_service_interface_is_the_standard_one() -> None:
    """org.varlink.service has the members that every client relies on."""
    ours = varlink.Interface(SERVICE_DESCRIPTION)
    assert {"GetInfo", "GetInterfaceDescription", "InvalidParameter", "MethodNotFound"} <= set(ours.members)


def test_optional_parameters_may_be_left_out_and_others_not() -> None:
    """What the text marks with "?" has a default of null in the code; what it does not, has none."""
    for parameters, _ in types.METHODS.values():
        for field in msgspec.structs.fields(parameters):
            optional = declared(typing.get_type_hints(parameters)[field.name])[0] == "maybe"  # type: ignore[index]
            assert (field.default is None) == optional


def test_times_are_rfc_3339() -> None:
    """A time has milliseconds and a Z, also before 1970 and when it rounds."""
    assert types.timestamp(1795454030.1239) == "2026-11-23T17:13:50.123Z"
    assert types.timestamp(0) == "1970-01-01T00:00:00.000Z"


def test_who_may_only_look_changes_nothing_and_gets_no_secrets() -> None:
    """What acts is for the owner alone, and so is the environment of a service, which may have passwords."""
    owners = {"Start", "Stop", "Restart", "Reload", "Signal", "Freeze", "Thaw", "Shutdown", "ExecPlan", "Attach"}
    assert types.METHODS.keys() >= owners | types.READ_METHODS
    assert not types.READ_METHODS & owners
