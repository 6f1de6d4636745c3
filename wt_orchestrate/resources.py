"""The paths of shipped files: `hooks/` and `templates/`, in an installed package or in a checkout."""

from __future__ import annotations

import os

_HERE = os.path.dirname(os.path.abspath(__file__))


def resource(*parts: str) -> str:
    """The path of a shipped file or folder, such as `resource("templates", "plan.yaml")`."""
    installed = os.path.join(_HERE, "shipped", *parts)
    return installed if os.path.exists(installed) else os.path.join(os.path.dirname(_HERE), *parts)
