"""The site: `sphinx-build -W docs out/site`, after `pip install ".[docs]"`.

The pages are plain Markdown that also reads well in the repository.  Links to files outside docs/ (source, examples)
become links to highlighted copies with a line anchor, written at the end of the build.
"""
import os
import re
import sys
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx.errors import ExtensionError

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT)]

import generate  # noqa: E402
import scratchnet  # noqa: E402

project, author, release = "scratchnet", "the scratchnet authors", scratchnet.__version__
extensions = ["myst_parser"]
exclude_patterns = ["README.md", "cards/README.md"]      # index.md and cards/index.md include them
html_theme, html_title = "furo", f"scratchnet {release}"
html_static_path, html_css_files = ["_static"], ["site.css"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]                      # chapters may use ### under #

LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)")
linked: set = set()                                      # files outside docs/ that some page leads to


def rewrite_links(app, docname, text):
    """README.md is the site's index; files outside docs/ are shown by pages of source/."""
    folder = (DOCS / docname).parent
    up = os.path.relpath(DOCS, folder)

    def site_link(match):
        label, target, anchor = match.groups()
        path = (folder / target).resolve()
        if path.name == "README.md" and DOCS in path.parents or path == DOCS / "README.md":
            return f"[{label}]({target.replace('README.md', 'index.md')})"
        if DOCS in path.parents or not path.is_file():
            return match[0]
        linked.add(path)
        line = f"#L-{anchor[2:]}" if anchor and anchor.startswith("#L") else ""
        label = re.sub(r"`([^`]*)`", r"<code>\1</code>", label)
        return f'<a href="{up}/source/{path.relative_to(ROOT)}.html{line}">{label}</a>'
    text[0] = LINK.sub(site_link, text[0])


def rewrite_included(app, relative_path, parent_docname, text):
    rewrite_links(app, parent_docname, text)


def write_sources(app, exception):
    """source/….html: each linked file, highlighted, with an anchor L-n at line n."""
    if exception or app.builder.format != "html":
        return
    for path in linked:
        page = Path(app.outdir) / "source" / f"{path.relative_to(ROOT)}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        formatter = HtmlFormatter(full=True, linenos="inline", lineanchors="L", title=str(path.relative_to(ROOT)))
        text = highlight(path.read_text(encoding="utf-8"), get_lexer_for_filename(path.name), formatter)
        page.write_text(text, encoding="utf-8")


def check_cards(app):
    if generate.main(check=True):
        raise ExtensionError("derivation cards are missing or out of date: run  python docs/generate.py")


def setup(app):
    app.connect("builder-inited", check_cards)
    app.connect("source-read", rewrite_links)
    app.connect("include-read", rewrite_included)
    app.connect("build-finished", write_sources)
