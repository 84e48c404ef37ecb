"""The systems that Trifuse serves: every package in this folder is one, found by looking."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, cast

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

    from trifuse.contracts import SystemContract

PROFILES = ("smoke", "demo", "full")


def available() -> tuple[str, ...]:
    """List the systems by name."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


def component(system: str, name: str) -> ModuleType:
    """Import one module of a system, such as `contract` or `preprocess`.

    Only what is asked for is imported, so that the server and the clients never load torch.
    Raises ConfigurationError for an unknown system.
    """
    if system not in available():
        raise ConfigurationError(
            "there is no such system", got=repr(system), expected=f"one of {', '.join(available())}"
        )
    return importlib.import_module(f"{__name__}.{system}.{name}")


def contract(system: str, profile: str) -> SystemContract:
    """Read the contract of a system at a profile. Raises ConfigurationError for unknown names."""
    if profile not in PROFILES:
        raise ConfigurationError(
            "there is no such profile", got=repr(profile), expected=f"one of {', '.join(PROFILES)}"
        )
    return cast("SystemContract", component(system, "contract").contract(profile))
