def test_mistakes_are_told_before_the_work(refused, tmp_path):
    store = ("--store", tmp_path / "store")
    assert "did you mean owl" in refused("demo", "--trait", "owll", *store)
    assert "not of the category 'animal'" in refused("demo", "--trait", "oak", *store)
    assert "cannot read the recipe" in refused("demo", "--recipe", "none", *store)
    (tmp_path / "file").touch()
    report = tmp_path / "file" / "report.html"
    assert "a file stands" in refused("demo", "--report", report, *store)
