"""Streamlit as an ASGI application: `st.App` runs the script below."""

from pathlib import Path

import streamlit

app = streamlit.App(str(Path(__file__).with_name("streamlit_script.py")))
