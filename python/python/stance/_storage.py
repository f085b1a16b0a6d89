"""Files of a run, on a disk that all workers see or in an object store, each written whole."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

import pyarrow.fs as pafs


class Storage:
    """A folder. Names are relative to it, with ``/`` between their parts."""

    def __init__(self, location: str | os.PathLike[str]) -> None:
        """``location`` is a path, or an address that Arrow knows: ``s3://``, ``gs://``, …."""
        location = os.fspath(location)
        if "://" in location:
            self._files, self._root = pafs.FileSystem.from_uri(location)
        else:
            self._files, self._root = pafs.LocalFileSystem(), str(Path(location).absolute())
        self._local = isinstance(self._files, pafs.LocalFileSystem)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file: afterwards it is there whole and to stay, or not at all."""
        path = self._path(name)
        if not self._local:
            # An object of a store appears when it is complete.
            with self._files.open_output_stream(path) as out:
                out.write(content)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two workers may write the same file at once, with the same content.
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with open(part, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self, name: str) -> bytes | None:
        """The content of a file; ``None`` when there is none."""
        try:
            with self._files.open_input_stream(self._path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int | None:
        """Bytes of a file; ``None`` when there is none."""
        info = self._files.get_file_info(self._path(name))
        return info.size if info.type == pafs.FileType.File else None

    def names(self, folder: str = "") -> list[str]:
        """The files right in a folder, without order."""
        path = self._path(folder) if folder else self._root
        selector = pafs.FileSelector(path, allow_not_found=True)
        found = self._files.get_file_info(selector)
        prefix = f"{folder}/" if folder else ""
        return [prefix + info.base_name for info in found if info.type == pafs.FileType.File]

    def delete(self, name: str) -> None:
        """Removes a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._files.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
