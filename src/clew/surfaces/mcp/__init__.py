"""The MCP door: tools for agents, shaped for drill-down, over stdio and streamable HTTP."""
