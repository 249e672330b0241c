"""The look of the book's figures."""

import matplotlib
import seaborn as sns

PALETTE = "colorblind"


def use_theme() -> None:
    """Give all later figures the book's look: vector graphics, colours that the colour-blind can tell apart.

    Figures have a white ground of their own, so that they read the same on a light and on a dark page.
    """
    sns.set_theme(context="notebook", style="whitegrid", palette=PALETTE)
    matplotlib.rcParams.update(
        {
            "figure.figsize": (7, 3.8),
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "lmtutorial",  # equal figures become equal files
        }
    )
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ModuleNotFoundError:  # outside notebooks
        return
    set_matplotlib_formats("svg", metadata={"Date": None})
