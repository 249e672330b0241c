"""Search in Chinese, which has no spaces: the index has every character and every pair of neighbours.

A page is found if it has all pairs of what is searched for, so that any phrase is found without a dictionary. The same
cut is made in Python for the index and in the browser for the query, once words that the book does not use are replaced
by those that it does.
"""

import json
import re

from sphinx.search.en import SearchEnglish

CHINESE = "\u3400-\u9fff\uf900-\ufaff"
RUN = re.compile(rf"[{CHINESE}]+|[^\W{CHINESE}]+")


class SearchChinese(SearchEnglish):
    """English words as in English, Chinese by characters and pairs."""

    lang = "zh"
    language_name = "Chinese"

    def init(self, options):
        super().init(options)
        longest_first = sorted(options.get("synonyms", {}).items(), key=lambda pair: -len(pair[0]))
        self.js_splitter_code = rf"""
const synonyms = {json.dumps(longest_first, ensure_ascii=False)};
function splitQuery(query) {{
  const words = synonyms.reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), query);
  const runs = words.match(/[{CHINESE}]+|(?:(?![{CHINESE}])[\p{{L}}\p{{N}}_])+/gu) ?? [];
  return runs.flatMap((run) => run.length > 1 && /[{CHINESE}]/.test(run)
    ? Array.from({{ length: run.length - 1 }}, (_, place) => run.slice(place, place + 2)) : [run]);
}}
"""

    def split(self, text):
        for run in RUN.findall(text):
            if re.match(f"[{CHINESE}]", run):
                yield from run
                yield from (run[place : place + 2] for place in range(len(run) - 1))
            else:
                yield run


def setup(app):
    """Register with Sphinx, in place of its own Chinese search."""
    app.add_search_language(SearchChinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
