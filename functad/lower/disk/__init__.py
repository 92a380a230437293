"""The persistent cache: compiled code that later processes find in a directory, where the flag ``cache`` names one."""
