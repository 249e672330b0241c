// What the theme does not bring: the reader's place in the other language, what a search found, and white paper.

const sectionsOfPage = () => [...document.querySelectorAll("article section[id]")];

// The hash that leads to the same place in the other edition: the playground's state, an anchor in view that both have,
// or the section in view by its number, for headings have other anchors there.
function readersPlace() {
  const anchor = location.hash.slice(1), box = document.getElementById(anchor)?.getBoundingClientRect();
  const inView = box && box.bottom > 0 && box.top < innerHeight;
  if (anchor.startsWith("text=") || (inView && /^(claim|equation|states)-/.test(anchor))) return location.hash;
  const begun = sectionsOfPage().filter((section) => section.getBoundingClientRect().top < innerHeight / 3).length;
  return begun > 1 ? `#section-${begun}` : "";
}

for (const link of document.querySelectorAll("a.language")) {
  link.addEventListener("click", () => { link.hash = readersPlace(); });
}

const [, numberOfSection] = location.hash.match(/^#section-(\d+)$/) ?? [];
const sectionToShow = sectionsOfPage()[numberOfSection - 1];
if (sectionToShow) location.replace(`#${sectionToShow.id}`);

// Mark the words that Sphinx' search left for the next page, and go to the first block that has all of them. Chinese
// ones come as pairs of neighbours. The theme loads the search on every page, so that Sphinx believes to be searching.
function showFound() {
  const words = (localStorage.getItem("sphinx_highlight_terms") ?? "").replace(/([\u3400-\u9fff]) \1/g, "$1");
  const terms = words.split(" ").filter(Boolean), article = document.querySelector("article");
  localStorage.removeItem("sphinx_highlight_terms");
  article.querySelectorAll("style").forEach((style) => style.classList.add("nohighlight"));
  for (const term of terms) _highlightText(article, term, "highlighted");
  const found = [...article.querySelectorAll(".highlighted")].filter((one) => one.checkVisibility());
  const hasAll = (block) => terms.every((term) => block.textContent.toLowerCase().includes(term));
  const best = found.find((one) => hasAll(one.closest("h1, h2, h3, p, li, pre") ?? one)) ?? found[0];
  if (!location.hash) best?.scrollIntoView({ block: "center" });
}

if (!document.getElementById("search-results")) showFound();

// Paper is white: a page that is dark is printed in the colours of a bright one.
addEventListener("beforeprint", () => {
  const { dataset } = document.documentElement, { theme } = dataset;
  dataset.theme = "light";
  addEventListener("afterprint", () => { dataset.theme = theme; }, { once: true });
});
