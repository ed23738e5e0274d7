"""The applications before they serve: their import, and which interface they have."""
