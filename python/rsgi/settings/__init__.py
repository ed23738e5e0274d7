"""Every setting: its definition, the places that it can come from, and what its text means."""
