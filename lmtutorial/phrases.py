"""What the site says where no page and no chapter holds the text, in the reader's language.

That is on generated pages, in figures, and in the frame around a page. The English stands in the code that says it;
`book/zh/phrases.yml` has the Chinese to it, and the table of terms that of the prompts of cells. What they lack is an
error, so that an edited sentence is never shown in an outdated translation.
"""

from dataclasses import dataclass
from pathlib import Path

from lmtutorial.errors import InputError
from lmtutorial.files import read_yaml
from lmtutorial.i18n import TERMS
from lmtutorial.typography import read_terms

TABLE = Path("book", "zh", "phrases.yml")


@dataclass(frozen=True)
class Phrases:
    """Says English phrases in `language`, `en` or `zh`; `chinese` are the parts of the table."""

    language: str
    chinese: dict[str, dict[str, str]]

    def __call__(self, english: str, part: str = "pages") -> str:
        """Return a phrase in the language.

        Raises:
            InputError: the table lacks it.
        """
        if self.language == "en":
            return english
        if english not in self.chinese[part]:
            raise InputError(f"{TABLE} lacks the Chinese for {english!r}; add it under `{part}`")
        return self.chinese[part][english]


ENGLISH = Phrases("en", {})


def read(root: Path, language: str) -> Phrases:
    """Return the phrases of the repository `root` in `language`.

    Raises:
        InputError: the table, or that of terms, is missing or no table.
    """
    if language == "en":
        return ENGLISH
    table, terms = read_yaml(root / TABLE), read_terms(root / TERMS)
    try:
        parts = {part: dict(phrases) for part, phrases in table.items()}
        searched = terms.wrong | parts["search"]
        return Phrases(language, parts | {"prompts": terms.prompts, "search": searched})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{TABLE} is no table of phrases: {' '.join(str(error).split())}") from None
