"""What is kept: redacted samples in a file or in memory, and recordings."""
