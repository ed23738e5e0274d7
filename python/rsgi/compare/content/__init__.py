"""What is compared: header fields, and bodies of each kind. Nothing here knows about counts, files or the server."""
