# Everything a reader or a maintainer does, by name. `make help` lists it.
# A fresh machine needs Python 3.11 to 3.13 and make, nothing else.

PYTHON ?= python3
PROFILE ?= laptop
WORKERS ?= 1
VENV := .venv
BIN := $(VENV)/bin
LOCKED := tensorflow jax hub compression onnx pretrained applications cluster book dev
PARALLEL := --numprocesses auto --dist worksteal
RESOLVE ?= --universal --python-version 3.11
COLAB_TESTS := data tokenizers evaluation compression generation gpt layers rnn lora checkpoints presets pretrained training
COLAB ?= $(wildcard $(CURDIR)/../shared/data/colab-constraints-*.txt)
export LMTUTORIAL_DATA ?= $(wildcard $(CURDIR)/../shared/data)

.DEFAULT_GOAL := help
.PHONY: help env book pdf test fast lint fuzz faults sweep playground claims i18n site-check links colab serve lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(VENV)/ready ## create .venv with the locked packages, and fetch the default corpus

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + "; set PYTHON=…" if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (about 4 GB, some minutes) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/lmtutorial data fetch shakespeare
	@$(BIN)/lmtutorial data fetch tinyshakespeare || echo "(needed later only, for comparison with published results)"
	@touch $@

book: env ## execute the chapters that changed and build the site in _build/site
	@$(BIN)/lmtutorial book --profile $(PROFILE)

test: env ## run the tests, but those of the site and of faults, on all cores
	@$(BIN)/python -m pytest $(PARALLEL) --ignore=tests/site --ignore=tests/faults

fast: env ## run those of them that take less than ten seconds each (five minutes)
	@$(BIN)/python -m pytest $(PARALLEL) --ignore=tests/site --ignore=tests/faults -m "not slow"

lint: env ## check style, in notebooks too
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

pdf: book ## print both editions with Chromium, to _build/pdf (some minutes)
	@$(BIN)/python -m lmtutorial.pdf

fuzz: env ## hand some ten thousand broken files of each kind to every reader, then search for more (half an hour)
	@$(BIN)/python -m pytest $(PARALLEL) tests/test_hostile.py --hypothesis-profile long
	@$(BIN)/python -m pip install --quiet --target _build/atheris --upgrade atheris==3.0.0
	@PYTHONPATH=_build/atheris $(BIN)/python tests/guided.py

faults: env ## kill what writes at random moments, fill its disk, set the clock back (ten minutes)
	@$(BIN)/python -m pytest $(PARALLEL) tests/faults

sweep: env ## make the runs of experiments that have no record yet
	@$(BIN)/lmtutorial sweep all --profile $(PROFILE) --workers $(WORKERS)

playground: env ## train the playground's models again, and write what its page loads
	@$(BIN)/python -m lmtutorial.playground

claims: env ## check that pages state what the records give
	@$(BIN)/lmtutorial claims --check

i18n: env ## check that the Chinese edition is in step with the English one
	@$(BIN)/lmtutorial i18n check

site-check: env ## check the site in _build/site with a browser
	@test -d _build/site || { echo "There is no site yet; run 'make book' first."; exit 2; }
	@LMTUTORIAL_SITE_FOLDER="$(CURDIR)/_build/site" $(BIN)/python -m pytest $(PARALLEL) tests/site

links: book ## check the links that leave the site, over the network
	@cd _build/stage/en && "$(CURDIR)/$(BIN)/jupyter-book" build . --builder linkcheck

colab: env ## test package and chapters in the versions of Colab, which the constraints file COLAB lists
	@test -f "$(COLAB)" || { echo "COLAB must be a file of constraints, such as Colab's pip-freeze.txt."; exit 2; }
	@$(BIN)/uv venv --quiet --clear --seed --python $(PYTHON) _build/colab
	@$(BIN)/uv pip install --quiet --python _build/colab --constraints $(COLAB) --editable '.[tensorflow,jax,hub,compression,pretrained]' papermill psutil ipykernel pytest pytest-xdist hypothesis
	@_build/colab/bin/python -m pytest -W default $(PARALLEL) $(COLAB_TESTS:%=tests/test_%.py)
	@for chapter in 01_concepts 05_transformer_code; do _build/colab/bin/papermill --cwd notebooks notebooks/$$chapter.ipynb _build/colab/$$chapter.ipynb || exit 1; done

serve: ## show the site at http://localhost:8000
	@test -d _build/site || { echo "There is no site yet; run 'make book' first."; exit 2; }
	@$(BIN)/python -m http.server --bind localhost --directory _build/site 8000

lock: env ## bring requirements.lock and environment.yml up to date with pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml $(addprefix --extra ,$(LOCKED)) $(RESOLVE) --generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock
	@$(BIN)/python .ci/environment.py > environment.yml

clean: ## remove what was built, but not .venv
	@rm -rf _build
