"""What is left of a run: for people (console, Markdown, HTML) and for machines (JSON, JUnit, traces)."""
