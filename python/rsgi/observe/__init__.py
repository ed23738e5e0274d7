"""What people and programs read about a running server: lines on standard error, the log, stacks of threads."""
