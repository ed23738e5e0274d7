"""What a server gets from the system: sockets, its user, its pid file, its name in `ps`."""
