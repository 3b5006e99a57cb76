from benchmarks.inputs import IMPORTANCES, lines


def test_differences_are_paired_by_seed():
    first = [(90.0, 80.0), (91.0, 82.0), (90.0, 80.0), (89.0, 80.0)]
    second = [(80.0, 70.0), (83.0, 72.0), (80.0, 70.0), (79.0, 71.0)]
    made = lines(0.5, [first, second])
    assert [row[1] for row in made] == list(IMPORTANCES)
    assert made[0] == ["50%", "weight", "85.0", "", ""]
    assert made[1] == ["50%", "decomposition", "87.0", "+2.00 ± 1.00", "+2.00 ± 0.00"]
    assert made[3][3:] == ["-1.00 ± 0.00", "+0.50 ± 0.50"]
