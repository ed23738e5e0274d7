"""The MCP SDK: a server with one tool, over streamable HTTP."""

try:
    from mcp.server.mcpserver import MCPServer as Server
except ImportError:  # its name before version 2
    from mcp.server.fastmcp import FastMCP as Server

server = Server("matrix")


@server.tool()
def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


app = server.streamable_http_app()
