"""The page that Streamlit shows."""

import streamlit

streamlit.write("hello")
