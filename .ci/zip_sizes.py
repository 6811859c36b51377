#!/usr/bin/env python3
"""Prints the size of each built function's deployment package, and fails if one is too large or of the wrong processor.

    zip_sizes.py BUILD_DIR ARCHITECTURE FUNCTIONS

BUILD_DIR is what `sam build` filled: one folder per function, named by its logical id. FUNCTIONS is how many there must be.
Packages are zipped as `sam deploy` zips them: the whole folder, deflated at the default level.
"""

import io
import pathlib
import sys
import zipfile

# A cold start loads the package: size is time. Growth past this needs a reason.
LIMIT = 4 * 1024 * 1024

# e_machine of an ELF header.
MACHINES = {"arm64": 183, "x86_64": 62}


def zipped(folder):
    """The bytes that a zip of this folder takes."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return package.tell()


def complaint(bootstrap, package, architecture):
    """What is wrong with this function's package, or nothing."""
    with bootstrap.open("rb") as binary:
        header = binary.read(20)
    if header[:4] != b"\x7fELF":
        return "bootstrap is no ELF binary"
    if int.from_bytes(header[18:20], "little") != MACHINES[architecture]:
        return f"bootstrap is not built for {architecture}"
    if package > LIMIT:
        return f"zip is over the limit of {LIMIT / 2**20:.1f} MiB"
    return None


def main(build, architecture, functions):
    complaints = []
    bootstraps = sorted(build.glob("*/bootstrap"))
    if len(bootstraps) != functions:
        complaints.append(f"{len(bootstraps)} functions were built, not {functions}")
    print(f"{'function':<40}{'binary':>12}{'zip':>12}")
    for bootstrap in bootstraps:
        package = zipped(bootstrap.parent)
        print(f"{bootstrap.parent.name:<40}{bootstrap.stat().st_size / 2**20:>8.2f} MiB{package / 2**20:>8.2f} MiB")
        if problem := complaint(bootstrap, package, architecture):
            complaints.append(f"{bootstrap.parent.name}: {problem}")
    for line in complaints:
        print(line, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[2] not in MACHINES:
        sys.exit("usage: zip_sizes.py BUILD_DIR arm64|x86_64 FUNCTIONS")
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
