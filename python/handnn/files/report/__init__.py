"""Score models of tables, and render the HTML report."""
