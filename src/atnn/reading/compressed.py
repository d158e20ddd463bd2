"""Decompression of xz that never takes more memory than its content needs; Python's own has no such limit."""

from __future__ import annotations

import io
import lzma
from typing import Any

MEMORY = 1 << 27  # bytes of the decompressor; the strongest preset of xz needs 65 MB
_CHUNK = 1 << 16  # bytes


class XzFile(io.RawIOBase):
    """The content of an xz file, one stream after the other.

    Args:
        source: Gives the compressed bytes.
    """

    def __init__(self, source: Any):
        self._source = source
        self._stream: lzma.LZMADecompressor | None = None
        self._rest = b""

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer.

        Raises:
            EOFError: The file ends within a stream.
            lzma.LZMAError: It is damaged, or asks for more memory than 128 MB.
        """
        view = memoryview(buffer)
        while True:
            if self._stream is None or self._stream.eof:
                if self._stream is not None:
                    self._rest = self._stream.unused_data
                self._rest = self._rest.lstrip(b"\0") or self._source.read(_CHUNK).lstrip(b"\0")  # padding
                if not self._rest:
                    return 0
                self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
            if self._stream.needs_input and not self._rest:
                self._rest = self._source.read(_CHUNK)
                if not self._rest:
                    raise EOFError("the file ends within the compressed content")
            content = self._stream.decompress(self._rest, max_length=len(view))
            self._rest = b""
            if content:
                view[: len(content)] = content
                return len(content)
