"""Compares the responses of two applications to the same request.

Shadow traffic (`[[shadow]]`) and `rsgi replay` use it. In reading order: `exchange` (what is compared), `options` (how),
`differences`, `observer` (what the server calls).
"""
