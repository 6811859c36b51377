"""Puts each function's executable into a zip beside its folder. Stored, not compressed: deploying takes a fraction of
the time then, and the emulator is on the same machine.

usage: package.py FOLDER..."""

import os
import sys
import zipfile

for folder in sys.argv[1:]:
    unfinished = folder + ".zip.new"
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        archive.write(os.path.join(folder, "bootstrap"), "bootstrap")
    os.replace(unfinished, folder + ".zip")
