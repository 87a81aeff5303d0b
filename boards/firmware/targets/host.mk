# This machine: the same sources as a process.
CROSS   :=
PORT    := port/host.c
DEFINES := -DHIL_NAME='"host process"'
