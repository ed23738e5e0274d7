"""Compares the responses of two applications to the same request.

Shadow traffic (`[[shadow]]`) and `rsgi replay` use it. In reading order: `exchange` (what is compared), `options` (how),
`comparer` and `content` (the comparison), `results`, `storage`, and `observer` (what the server calls).
"""
