"""One edition beside the other: the way to the same page in the other language, and what the theme leaves in English.

The Chinese edition lies in the folder `zh` of the English one and has the same pages.
"""

import re
from pathlib import Path

from sphinx import locale

NAMES = {"en": "English", "zh-CN": "中文"}


def complete_settings(app):
    """Add our own phrases to the catalogs, and tell extensions where this edition lies; both use one MathJax."""
    if app.config.editions_phrases:
        for catalog in ("sphinx", "booktheme"):
            locale.translators["general", catalog]._catalog.update(app.config.editions_phrases)
    if is_chinese(app) and app.builder.name == "html":
        app.config.mathjax_path = f"../../_static/{app.config.mathjax_path}"  # from zh/_static
    app.config.ogp_site_url, app.config.ogp_site_name = app.config.html_baseurl, app.config.html_title


def is_chinese(app):
    return app.config.language.startswith("zh")


def name_other_language(app, pagename, templatename, context, doctree):
    """Tell templates, search engines and screen readers which languages there are."""
    theirs = "en" if is_chinese(app) else "zh-CN"
    way = f"{context['content_root']}{'../' if is_chinese(app) else 'zh/'}{pagename}.html"
    context["other"] = {"href": way, "lang": theirs, "name": NAMES[theirs]}
    context["site"] = site = app.config.html_baseurl.removesuffix("zh/" if is_chinese(app) else "")
    if pagename not in app.env.all_docs:
        return
    for language, folder in (("en", ""), ("zh-CN", "zh/"), ("x-default", "")):
        address = f"{site}{folder}{pagename}.html"
        context["metatags"] += f'<link rel="alternate" hreflang="{language}" href="{address}">\n'
    if bool(re.search("[\u3400-\u9fff]", app.env.titles[pagename].astext())) != is_chinese(app):
        context["body"] = f'<div lang="{theirs}">{context["body"]}</div>'


def lead_to_the_chinese_file(app, pagename, templatename, context, doctree):
    """Let the buttons of a translated page lead to the Chinese file in the repository."""
    if is_chinese(app) and pagename in app.config.editions_translated:
        folder, _, name = pagename.rpartition("/")
        for button in context["header_buttons"]:
            for link in button.get("buttons", [button]):
                if "://" in link.get("url", ""):
                    link["url"] = link["url"].replace(f"/{pagename}.", f"/{folder}/zh/{name}.")


def setup(app):
    """Register with Sphinx."""
    app.add_config_value("editions_phrases", {}, "html")
    app.add_config_value("editions_translated", [], "html")
    app.connect("builder-inited", complete_settings, priority=100)  # before MathJax is looked for
    app.connect("html-page-context", name_other_language, priority=100)  # before the theme renders its templates
    app.connect("html-page-context", lead_to_the_chinese_file, priority=900)  # after it made its buttons
    app.add_js_file("book.js", loading_method="defer")
    app.config.templates_path.insert(0, str(Path(__file__).with_name("templates")))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
