"""A wheel that brings compiled kernels (``make wheel``) is for one platform; one without them is for all."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlatformHook(BuildHookInterface):
    """Names the platform in the tag of a wheel with kernels, which fit any Python 3: they do not use its interface."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Set the tag before the wheel is packed."""
        if version == "standard" and any(Path(self.root, "src/atnn/kernels/prebuilt").glob("*.so")):
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"
