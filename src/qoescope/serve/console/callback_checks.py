"""Callback checks: what a browser sends to a callback, checked against what the callback declares before it runs.

A call names a callback, and brings its inputs in their order, each of the type that the function's parameter has.
"""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, get_type_hints

import msgspec

from qoescope.catalog.errors import Mistake
from qoescope.serve.request.state import checked_text

LONGEST_TEXT = 16 * 1024
ROUTED = {"pathname": Annotated[str, msgspec.Meta(pattern="^/")], "search": str | None}
"""What Dash's own callback is given, which shows the page of an address."""
Id = str | dict[str, str | int | float | bool]


class CallPart(msgspec.Struct):
    """One input or state, or output, as the browser names it."""

    id: Id
    property: str
    value: Any = None


class Call(msgspec.Struct):
    """A request to run a callback."""

    output: str
    outputs: CallPart | list[CallPart]
    inputs: list[CallPart | list[CallPart]]
    changedPropIds: list[str] = []  # noqa: N815 - its name there
    state: list[CallPart | list[CallPart]] = []


def check(body: bytes, known: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `Mistake` unless the call can be made; `known` are Dash's callbacks by their outputs."""
    try:
        call = msgspec.json.decode(body, type=Call)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise Mistake(f"not a valid callback request: {error}") from error
    callback = known.get(call.output, {})
    if "callback" not in callback:
        raise Mistake("unknown callback; reload the page")
    declared, brought = [*callback["inputs"], *callback["state"]], [*call.inputs, *call.state]
    if len(call.inputs) != len(callback["inputs"]) or len(brought) != len(declared):
        raise Mistake("the request does not match the callback's inputs; reload the page")
    for spec, part in zip(declared, brought, strict=True):
        _check_part(spec, part)
    _check_outputs(call, callback)
    changed = {f"{_written(part.id)}.{part.property}" for part in _parts(call.inputs)}
    if not changed.issuperset(call.changedPropIds):
        raise Mistake("the request names a changed input that it does not contain")
    values = [[p.value for p in part] if isinstance(part, list) else part.value for part in brought]
    _check_values(values, [spec["property"] for spec in declared], inspect.unwrap(callback["callback"]))


def _parts(brought: Iterable[CallPart | list[CallPart]]) -> Iterator[CallPart]:
    for part in brought:
        yield from part if isinstance(part, list) else (part,)


def _check_part(spec: Mapping[str, str], part: CallPart | list[CallPart]) -> None:
    """Whether it is the declared one; of a pattern, written as JSON, any that has its keys and plain values."""
    pattern = json.loads(spec["id"]) if spec["id"].startswith("{") else None
    for one in _parts([part]):
        if pattern is None:
            fits = not isinstance(part, list) and one.id == spec["id"]
        else:
            fits = isinstance(part, list) and isinstance(one.id, dict) and _fits(one.id, pattern)
        if not fits or one.property != spec["property"]:
            raise Mistake("the request does not match the callback's inputs; reload the page")


def _fits(brought: Mapping[str, Any], pattern: Mapping[str, Any]) -> bool:
    plain = all(isinstance(value, str) and checked_text(value) == value for value in brought.values())
    return (
        plain
        and brought.keys() == pattern.keys()
        and all(isinstance(want, list) or brought[name] == want for name, want in pattern.items())
    )


def _check_outputs(call: Call, callback: Mapping[str, Any]) -> None:
    declared = callback["output"]
    many = isinstance(declared, list | tuple)
    wanted = [(one.component_id, one.component_property) for one in (declared if many else [declared])]
    named = call.outputs if isinstance(call.outputs, list) else [call.outputs]
    if isinstance(call.outputs, list) != many or [(one.id, _bare(one.property)) for one in named] != wanted:
        raise Mistake("the request does not match the callback's outputs; reload the page")


def _bare(name: str) -> str:
    """A property's name without what Dash adds where several callbacks write it."""
    return name.partition("@")[0]


def _written(identity: Id) -> str:
    """As Dash writes it where it names a change."""
    return (
        identity
        if isinstance(identity, str)
        else json.dumps(identity, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    )


def _check_values(values: list[Any], names: list[str], function: Any) -> None:  # noqa: ANN401
    types = _types(function)
    for index, (value, name) in enumerate(zip(values, names, strict=True)):
        for text in _texts(value):
            if len(checked_text(text)) > LONGEST_TEXT:
                raise Mistake(f"the text of {name} is too long")
        wanted = types[index] if index < len(types) else ROUTED.get(name, Any)
        try:
            msgspec.convert(value, wanted, strict=True)
        except msgspec.ValidationError as error:
            raise Mistake(f"the value of {name} is of another kind: {error}") from error


@cache
def _types(function: Any) -> list[Any]:  # noqa: ANN401
    """The types of its parameters, in order; none where it declares none, as Dash's own does."""
    hints = get_type_hints(function)
    return [hints.get(name, Any) for name in inspect.signature(function).parameters] if hints else []


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    match value:
        case str():
            yield value
        case dict():
            for name, part in value.items():
                yield from (name, *_texts(part))
        case list():
            for part in value:
                yield from _texts(part)
