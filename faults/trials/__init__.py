"""Faults that servers are put through: each kind in a module or folder, the servers and applications beside them."""
