"""Puts each function's executable into a zip beside its folder. Stored, not compressed: deploying takes a fraction of
the time then, and the emulator is on the same machine.

What the emulator starts is a script, which has the executable take its place: the emulator (MiniStack 1.5.33) forgets what
a function has written once it has answered, so all of it goes to the file that FUNCTION_LOG names.

usage: package.py FOLDER..."""

import os
import sys
import zipfile

START = """#!/bin/sh
exec "${0%/*}/function" >> "$FUNCTION_LOG" 2>&1
"""

for folder in sys.argv[1:]:
    unfinished = folder + ".zip.new"
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        start = zipfile.ZipInfo("bootstrap")
        start.external_attr = 0o755 << 16
        archive.writestr(start, START)
        archive.write(os.path.join(folder, "bootstrap"), "function")
    os.replace(unfinished, folder + ".zip")
