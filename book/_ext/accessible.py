"""What screen readers need that Sphinx does not give: entries of the bibliography are items of a list."""


def mend_roles(app, pagename, templatename, context, doctree):
    """Replace docutils' deprecated role, which makes a list without items (WCAG 1.3.1)."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", mend_roles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
