"""placeholder"""

from pathlib import Path


def write_html(documents: list[dict[str, object]], path: Path) -> None:
    raise NotImplementedError
