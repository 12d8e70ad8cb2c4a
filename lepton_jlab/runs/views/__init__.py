"""How runs, sweeps and comparisons look: HTML, SVG and text, and the live picture in a cell."""
