"""Sends recorded requests to an application in this process."""
