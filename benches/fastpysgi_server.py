"""Starts fastpysgi, which has no command for it: one thread, no pool."""

import sys

import fastpysgi

import apps

fastpysgi.server.nowait = 0
fastpysgi.run(getattr(apps, sys.argv[1]), "127.0.0.1", int(sys.argv[2]))
