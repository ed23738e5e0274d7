"""What was found: counts by route, what they mean, and how they are shown."""
