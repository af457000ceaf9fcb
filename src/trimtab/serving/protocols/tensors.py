"""Tensors as bytes: the Open Inference Protocol's binary tensor extension. Little-endian, row-major, no padding.

A body is a JSON header, as long as a HTTP header says, and behind it the tensors' bytes, one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from trimtab.core.errors import ConfigError

__all__ = ["DATATYPES", "TensorBytes", "encode_tensor", "split_body"]

Value = float | int | bool | str | None

_NUMPY: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("u1"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
DATATYPES: Final = frozenset({*_NUMPY, "BYTES"})
"""The standard's datatypes."""

_PREFIX_BYTES: Final = 4
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


def split_body(body: bytes, header_bytes: bytes | None) -> tuple[bytes, TensorBytes]:
    r"""Return a body's JSON, and the bytes behind it. ``header_bytes``: what the HTTP header says; None: all is JSON.

    Raises:
        ConfigError: the header is no number, or more than there is.

    >>> split_body(b"{}\x01\x00", b"2")[1].read(2, "INT16", 1, "input 'age'")
    [1]
    """
    if header_bytes is None:
        return body, _NO_BYTES
    if not _LENGTH.fullmatch(header_bytes) or int(header_bytes) > len(body):
        raise ConfigError(
            f"header Inference-Header-Content-Length: {header_bytes[:20].decode('latin-1')!r}, expected the length of "
            f"the JSON at the body's begin, at most {len(body)}; correct it"
        )
    length = int(header_bytes)
    return body[:length], TensorBytes(memoryview(body)[length:])


class TensorBytes:
    """The bytes of a request's tensors, read in order. Nothing is allocated before its size is known to be right."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._at = 0

    def read(self, size_bytes: int, datatype: str, count: int, field: str, *, raw: bool = False) -> list[Value | bytes]:
        """Return the ``count`` values of the tensor that the next ``size_bytes`` hold; NaN becomes None, as in JSON.

        Values of BYTES are UTF-8; with ``raw`` they are whatever they are.

        Raises:
            ConfigError: the datatype is unknown, or the bytes are not what datatype and count say.
        """
        left = len(self._content) - self._at
        if not 0 <= size_bytes <= left:
            raise ConfigError(
                f"{field}: binary_data_size {_shown(size_bytes)}, but {left} bytes are left behind the JSON; "
                "correct it, or the header Inference-Header-Content-Length"
            )
        part = self._content[self._at : self._at + size_bytes]
        self._at += size_bytes
        if datatype == "BYTES":
            values = _byte_strings(part, count, field)
            return [*values] if raw else [_text(value, row, field) for row, value in enumerate(values)]
        return [*_numbers(part, datatype, count, field)]

    def finish(self) -> None:
        """Make sure that all was read.

        Raises:
            ConfigError: bytes are left over, that belong to no tensor.
        """
        left = len(self._content) - self._at
        if left:
            raise ConfigError(f"body: {left} bytes behind the last tensor, expected none; correct binary_data_size")


_NO_BYTES: Final = TensorBytes(memoryview(b""))


def encode_tensor(values: Sequence[Value | bytes], datatype: str) -> bytes:
    r"""Return ``values``, which fit ``datatype``, as bytes; None becomes NaN in a float tensor.

    >>> encode_tensor(["no"], "BYTES"), encode_tensor([True, False], "BOOL")
    (b'\x02\x00\x00\x00no', b'\x01\x00')
    """
    if datatype == "BYTES":
        parts: list[bytes] = []
        for value in values:
            text = value if isinstance(value, bytes) else str(value).encode()
            parts += (len(text).to_bytes(_PREFIX_BYTES, "little"), text)
        return b"".join(parts)
    return np.array(values, dtype=_NUMPY[datatype]).tobytes()


def _numbers(part: memoryview, datatype: str, count: int, field: str) -> list[Value]:
    kind = _NUMPY.get(datatype)
    if kind is None:
        raise ConfigError(f"{field}: datatype {datatype[:20]!r}, expected one of {sorted(DATATYPES)}; correct it")
    if len(part) != count * kind.itemsize:
        raise ConfigError(
            f"{field}: {len(part)} bytes for {count} values of {datatype}, expected {count * kind.itemsize}; "
            "correct binary_data_size, shape or datatype"
        )
    values = np.frombuffer(part, dtype=kind)
    if datatype == "BOOL":
        if values.size and values.max() > 1:
            raise ConfigError(f"{field}: byte {values.max()} in a BOOL, expected 0 or 1; correct the data")
        return [value == 1 for value in values.tolist()]
    numbers: list[Value] = values.tolist()
    if kind.kind == "f":
        return [None if number != number else number for number in numbers]
    return numbers


def _byte_strings(part: memoryview, count: int, field: str) -> list[bytes]:
    # Each has a prefix, so that absurd counts are known before the first value is read.
    if len(part) < count * _PREFIX_BYTES:
        raise ConfigError(
            f"{field}: {len(part)} bytes for {count} values of BYTES, expected 4 bytes of length before each; "
            "correct binary_data_size or shape"
        )
    values: list[bytes] = []
    at = 0
    for row in range(count):
        begin = at + _PREFIX_BYTES
        at = begin + int.from_bytes(part[at:begin], "little")
        if begin > len(part) or at > len(part):
            raise ConfigError(f"{field}: value {row} is longer than the tensor's {len(part)} bytes; correct its length")
        values.append(bytes(part[begin:at]))
    if at != len(part):
        raise ConfigError(f"{field}: {len(part) - at} bytes behind its last value, expected none; correct its lengths")
    return values


def _text(value: bytes, row: int, field: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{field}: value {row} of BYTES is no UTF-8, expected text; encode it so") from None


def _shown(number: int) -> str:
    return str(number) if number.bit_length() <= 64 else f"of {number.bit_length()} bits"
