"""Several processes: the supervisor, its workers, and when one replaces another."""
