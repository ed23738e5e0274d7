"""Gradio inside FastAPI: its page, its configuration, and a call over its queue."""

import gradio
from fastapi import FastAPI

page = gradio.Interface(fn=lambda name: f"hello {name}", inputs="text", outputs="text", api_name="greet")
app = gradio.mount_gradio_app(FastAPI(), page, path="/")
