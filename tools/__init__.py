"""The project's own house-keeping: pages that are generated, environments that are checked. Not in the wheel."""
