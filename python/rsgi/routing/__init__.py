"""Decides which application answers which request. The Rust side gets the result, a `Plan`, and routes by it."""
