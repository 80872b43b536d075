"""Whether a package that the program needs has a known vulnerability, as pip-audit knows them.

    python .ci/audit.py [requirements.txt]

Audited are the installed versions of all that the file names, and of what that needs. Ends with 1 where one
is known to be vulnerable, or pip-audit fails. Where no advisories can be reached it ends with 0, and one
line says so: what pip-audit answers then is either an error, or "No known vulnerabilities found" where its
server, such as a mirror, has packages without advisories. So it is first asked about a version that is
known to be vulnerable: whoever knows nothing of that one knows nothing.
"""

import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

KNOWN = {"jinja2": "2.4.1"}  # its vulnerabilities: CVE-2014-0012, CVE-2016-10745, CVE-2019-10906 and others
OPTIONS = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]


def needed(lines: list[str]) -> dict[str, str]:
    """The installed version of each package that these requirements name or need, without local labels."""
    wanted = [(Requirement(line), "") for line in lines]
    found: dict[str, str] = {}
    seen = set()
    while wanted:
        requirement, extra = wanted.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        for own in {"", *requirement.extras}:
            if (name, own) not in seen:
                seen.add((name, own))
                package = metadata.distribution(requirement.name)
                found[name] = package.version.split("+")[0]
                wanted += [(Requirement(each), own) for each in package.requires or ()]
    return found


def audited(versions: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
    """What pip-audit says of each package, and the last line of its complaint if it says nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
        pinned.writelines(f"{name}=={version}\n" for name, version in sorted(versions.items()))
        pinned.flush()
        command = [sys.executable, "-m", "pip_audit", *OPTIONS, "-r", pinned.name]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError, TypeError):
        return [], (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def vulnerable(packages: list[dict[str, Any]]) -> list[str]:
    """As "jinja2 2.4.1 (CVE-2014-0012)"."""
    return [
        f"{each['name']} {each['version']} ({', '.join(known['id'] for known in each['vulns'])})"
        for each in packages
        if each.get("vulns")
    ]


def main(path: str = "requirements.txt") -> str | None:
    """Prints how it went; returns what is wrong, if anything is."""
    with open(path) as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith(("#", "-"))]
    metadata.version("pip-audit")  # without it nothing could be told from advisories out of reach
    packages, complaint = audited(KNOWN)
    if not vulnerable(packages):
        reason = complaint[:150] or f"nothing is known about {KNOWN}"
        print(f"audit: the advisories could not be reached, and nothing was audited: {reason}")
        return None
    packages, complaint = audited(needed(lines))
    if complaint:
        return f"audit: pip-audit failed: {complaint[:300]}"
    if found := vulnerable(packages):
        return f"audit: known vulnerabilities: {'; '.join(found)}"
    skipped = sorted(each["name"] for each in packages if "skip_reason" in each)
    besides = f"; not known there: {', '.join(skipped)}" if skipped else ""
    print(f"audit: no known vulnerability in {len(packages) - len(skipped)} packages{besides}")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
