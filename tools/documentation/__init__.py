"""The pages of the documentation that nobody writes; `tools/documentation_hook.py` hands them to mkdocs."""
