"""Chapter 1's count of parameters; its other equations are held by the tests of `ngram` and `evaluation`."""

import pytest

CHAPTER = "01_concepts"


@pytest.mark.equation("gpt-parameters", "keras_hub.models.GPT2Backbone")
@pytest.mark.parametrize(("V", "S", "L", "D"), [(100, 32, 2, 16), (50, 7, 1, 8)])
def test_the_parameters_of_a_gpt_are_those_that_keras_hub_counts(equations, V, S, L, D):
    keras_hub = pytest.importorskip("keras_hub", reason="lmtutorial[hub] is not installed")
    gpt = keras_hub.models.GPT2Backbone(
        vocabulary_size=V, num_layers=L, num_heads=2, hidden_dim=D, intermediate_dim=4 * D, max_sequence_length=S
    )
    assert equations["gpt_parameters"](V, S, L, D) == gpt.count_params()
