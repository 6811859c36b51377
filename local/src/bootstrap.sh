#!/bin/sh
# What the emulator starts as a function: this script, of which the executable takes the place. The emulator (MiniStack 1.5.33)
# reads all of a function's code again for each process that it starts, so there had better be little of it; and it forgets what a
# function has written once it has answered, so all of that goes to a file.
exec "$FUNCTION_EXECUTABLE" >> "$FUNCTION_LOG" 2>&1
