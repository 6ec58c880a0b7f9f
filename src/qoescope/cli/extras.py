"""Optional parts of the package, and which of them a missing module comes with."""

import re
from collections import defaultdict
from importlib import metadata

INSTALLED_AS = {"py4j": "pyspark", "delta": "delta-spark", "starlette": "fastapi", "airflow": "apache-airflow"}
"""Packages that have another name than their module, or bring it along."""
EXTRA = re.compile(r"^([\w.-]+).*;.*extra == ['\"](\w+)['\"]")


def hint(module: str) -> str:
    """What to install for a missing module; empty when no extra has it."""
    root = module.split(".", maxsplit=1)[0]
    wanted = INSTALLED_AS.get(root, root).replace("_", "-")
    packages: defaultdict[str, set[str]] = defaultdict(set)
    for match in map(EXTRA.match, metadata.requires("qoescope") or ()):
        if match:
            packages[match[2]].add(match[1])
    bringing = {extra: all_ for extra, all_ in packages.items() if wanted in all_}
    least = sorted(extra for extra, mine in bringing.items() if not any(other < mine for other in bringing.values()))
    installs = " or ".join(f"pip install 'qoescope[{extra}]'" for extra in least)
    return f"this command needs {wanted}, which is not installed here: {installs}" if installs else ""
