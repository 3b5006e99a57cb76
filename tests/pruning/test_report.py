from tasks.pruning.config import NoPruneConfig
from tasks.pruning.lowrank import factorise, spectra
from tasks.pruning.recovery import Outcome
from tasks.pruning.report import recipe_report, step_report


def test_a_recipe_counts_the_units_of_factored_layers(network, rows):
    factors = factorise(network, {next(iter(spectra(network, rows)[0])): 2}, rows)
    step = step_report(factors, NoPruneConfig(method="none"), Outcome(factors), "classification", 0.5)
    layers = recipe_report(network, factors, [step])["layers"]
    assert all(layer["before"] == layer["after"] for layer in layers)
