"""Dash: a page with one callback, called as its browser code calls it."""

from dash import Dash, Input, Output, dcc, html

dash = Dash("matrix")
dash.layout = html.Div([dcc.Input(id="name", value="x"), html.Div(id="greeting")])


@dash.callback(Output("greeting", "children"), Input("name", "value"))
def greet(name):
    return f"hello {name}"


app = dash.server
