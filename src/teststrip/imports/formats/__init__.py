"""What each tool writes into its pictures, a module each. None knows another.

To add a tool: a module with `read`, which gets what a file says (`Said`) and returns what it understands, or None where
another tool wrote the file; and its line in `imports.reading`.
"""
