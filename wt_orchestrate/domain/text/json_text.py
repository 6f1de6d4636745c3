"""JSON text that every file and every pipe can hold.

A path, a branch or a name that git holds need not be UTF-8. Its odd bytes are lone surrogates in our text (PEP 383), which
UTF-8 cannot hold; in JSON each becomes an escape, such as `\\udce9`, that Python and JavaScript read as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def compact(value: Any) -> str:
    """Dicts, lists, texts and numbers as one line of JSON without spaces."""
    return escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def escaped(text: str) -> str:
    """JSON text with its lone surrogates as escapes; they occur only inside strings."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
