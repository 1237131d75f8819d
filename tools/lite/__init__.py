"""The browser edition: a JupyterLite site with the course, built from the registries alone."""
