"""A device from somebody's own table follows the table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from emulators.devices import Device, Measurements
from hil.cli import main
from hil.errors import FormatError, InvalidValueError
from hil.registry import open_target
from hil.rng import stream
from tests.emulators.networks import dense_network, times, windows

TABLE = """g_microsiemens,t_s,mean_microsiemens,std_microsiemens
2,1,2.1,0.6
10,1,10.0,1.0
20,1,20.2,0.8
2,3600,1.9,0.7
10,3600,9.0,1.2
20,3600,18.5,1.1
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("g", "t_s", "mean", "std"), [(2, 1, 2.1, 0.6), (10, 1, 10.0, 1.0), (10, 3600, 9.0, 1.2), (20, 3600, 18.5, 1.1)]
)
def test_cells_have_the_measured_mean_and_spread(table, g, t_s, mean, std):
    device = Device.from_csv(table)
    cells = device.program(np.full((200, 250), g * 1e-6), rng=stream(1))
    read = device.read(cells, t_s=t_s, rng=stream(2)) * 1e6
    assert read.mean() == pytest.approx(mean, rel=0.02)
    assert read.std() == pytest.approx(std, rel=0.02)


def test_levels_and_range_come_from_the_table(table):
    device = Device.from_csv(table)
    assert (device.off_siemens, device.on_siemens) == pytest.approx((2e-6, 20e-6))
    with pytest.raises(InvalidValueError, match="must lie between"):
        device.program(np.full((1, 1), 25e-6), rng=stream(0))


def test_a_table_is_a_target(table):
    network = dense_network(np.random.default_rng(1), [40, 20])
    features = windows(np.random.default_rng(2), 5, 40)
    exact, mine = (
        open_target(target).program(network, seed=1).infer(features, t_us=times(5)).outputs
        for target in ("ternary", f"crossbar:{table}?adc_bits=lossless")
    )
    assert not np.array_equal(exact, mine)
    assert np.corrcoef(exact.ravel(), mine.ravel())[0, 1] > 0.9


def test_fit_report_finds_a_power_law_and_a_quadratic(tmp_path):
    g = np.tile(np.linspace(1, 25, 9), 3)
    t = np.repeat([1.0, 100.0, 10_000.0], 9)
    rows = zip(g, t, g * t**-0.05, 0.3 + 0.1 * g - 0.002 * g**2, strict=True)
    path = tmp_path / "law.csv"
    path.write_text("g,t,mean,std\n" + "\n".join(",".join(map(str, row)) for row in rows), encoding="utf-8")
    report = Measurements.read(path, unit="microsiemens").fit_report()
    assert report["spread"][0]["coefficients_microsiemens"] == pytest.approx([0.3, 0.1, -0.002], abs=1e-9)
    assert report["spread"][0]["r_squared"] == pytest.approx(1.0)
    assert [entry["nu"] for entry in report["drift"]] == pytest.approx([0.05] * 9)


def test_the_plot_is_a_picture(table, tmp_path):
    Measurements.read(table).plot(tmp_path / "fit.png")
    assert (tmp_path / "fit.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(InvalidValueError, match=r"must end in \.png"):
        Measurements.read(table).plot(tmp_path / "fit.doc")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", FormatError, "is empty; its first line must name the columns"),
        ("# only words\n\n", FormatError, "is empty"),
        ("g,t,mean\n1,1,1\n", FormatError, "std is missing"),
        ("g,t,mean,std\n", FormatError, "below its header"),
        ("g,t,mean,std\n1e-6,1,x,0\n", FormatError, "line 2"),
        ("# mine\n\ng,t,mean,std\n1e-6,1,,0\n", FormatError, "line 4: mean must be a number, but is empty"),
        ("g|t|mean|std\n1e-6|1|1e-6|0\n", FormatError, "is missing"),
        ("g,t,mean,std\n1e-6,1\n", FormatError, "line 2 has 2 fields where the header has 4"),
        ("g,t,mean,std\n1,0e-6,1,1e-6,0\n", FormatError, "line 2 has 5 fields"),
        ("g,t,mean,std\n,,,\n", FormatError, "below its header"),
        ("g,t,mean,mean,std\n1e-6,1,1e-6,1e-6,0\n", FormatError, "two columns for mean"),
        ("g,t_fortnights,mean,std\n1e-6,1,1e-6,0\n", FormatError, "'t_fortnights' must be in one of d, days"),
        ("g_ohm,t,mean,std\n1e6,1,1e6,0\n", FormatError, "'g_ohm' must be in one of siemens"),
        ("g,t,read,std\n1e-6,1,1e-6,0\n", FormatError, "keep either read, or mean and std"),
        ("g,t,read\n1e-6,1,1e-6\n1e-6,1,1e-6\n2e-6,1,2e-6\n", InvalidValueError, "2 uS was read once at 1 s"),
        ("g_us,t,mean_us,std_us\n1e-6,1,1e-6,0\n2e-6,1,2e-6,0\n", InvalidValueError, "reach only 2e-12 siemens"),
        ("g,t,mean,std\n5,1,5,0.1\n10,1,10,0.1\n", InvalidValueError, "microsiemens"),
        ("g,t,mean,std\n1e-6,0,1e-6,0\n2e-6,0,2e-6,0\n", InvalidValueError, "above zero"),
        ("g,t,mean,std\n1e-6,1,1e-6,-1\n2e-6,1,2e-6,0\n", InvalidValueError, "zero or positive"),
        ("g,t,mean,std\n1e-6,1,nan,0\n2e-6,1,2e-6,0\n", InvalidValueError, "finite"),
        ("g,t,mean,std\n1e-6,1,1e-6,0\n", InvalidValueError, "at least two"),
        ("g,t,mean,std\n1e-6,1,1e-6,0\n1e-6,1,1e-6,0\n", InvalidValueError, "each once.* a column called read"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, text, error, says):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=says):
        Device.from_csv(path)


@pytest.mark.parametrize("blob", [b"\xff\xfe\x00g", b"g,t,mean,std\n1e-6,1,\x00,\x80\n"])
def test_a_table_that_is_no_text_is_refused(tmp_path, blob):
    path = tmp_path / "bad.csv"
    path.write_bytes(blob)
    with pytest.raises(FormatError, match=r"must be a table in CSV|must be a number"):
        Device.from_csv(path)


@pytest.mark.parametrize(
    "text",
    [
        "g;t;mean;std\n2e-6;1;2,1e-6;6e-7\n2e-5;1;2,02e-5;8e-7\n",
        "g\tt\tmean\tstd\n2e-6\t1\t2.1e-6\t6e-7\n2e-5\t1\t2.02e-5\t8e-7\n",
        "std_nS, g_uS, t_ms, mean_mS\n600, 2, 1000, 0.0021\n800, 20, 1000, 0.0202\n",
        "g (\u00b5S),t (min),mean (\u00b5S),std [\u03bcS]\n2,0.0166666667,2.1,0.6\n20,0.0166666667,20.2,0.8\n",
        '"g","t","note","mean","std"\n2e-6,1,"a, b",2.1e-6,6e-7\n2e-5,1,,2.02e-5,8e-7\n',
        "# wafer 7\ng,t,mean,std\n\n2e-6,1,2.1e-6,6e-7\n# later\n2e-5,1,2.02e-5,8e-7\n,,,\n",
    ],
)
def test_tables_are_read_as_people_write_them(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    table = Measurements.read(path)
    assert table.times_s == pytest.approx([1.0])
    assert table.target_siemens[0] == pytest.approx([2e-6, 2e-5])
    assert table.mean_siemens[0] == pytest.approx([2.1e-6, 2.02e-5])
    assert table.std_siemens[0] == pytest.approx([6e-7, 8e-7])


def test_table_of_the_page_is_read(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "crossbar.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "page.csv"
    path.write_text(text, encoding="utf-8")
    table = Measurements.read(path)
    assert table.times_s == pytest.approx([36.0, 86_400.0])
    assert table.std_siemens[1] == pytest.approx([7e-7, 1.2e-6, 1.1e-6])


def test_single_readings_give_means_and_sample_deviations(tmp_path):
    rng = np.random.default_rng(5)
    readings = {(g, t): rng.normal(g + 0.1, 0.1, 7) for g in (0.0, 3.0, 20.0) for t in (1.0, 60.0)}
    rows = [f"{g},{t},{value}" for (g, t), values in readings.items() for value in values]
    rng.shuffle(rows)
    path = tmp_path / "cells.csv"
    path.write_text("g_uS,t_s,read_uS\n" + "\n".join(rows), encoding="utf-8")
    assert any((values < 0).any() for values in readings.values())
    table = Measurements.read(path)
    for k, t in enumerate((1.0, 60.0)):
        assert table.mean_siemens[k] == pytest.approx([readings[g, t].mean() * 1e-6 for g in (0.0, 3.0, 20.0)])
        assert table.std_siemens[k] == pytest.approx([readings[g, t].std(ddof=1) * 1e-6 for g in (0.0, 3.0, 20.0)])


def test_a_report_has_no_dust_of_arithmetic(tmp_path):
    path = tmp_path / "three.csv"
    path.write_text("g,t,mean,std\n1e-6,1,1.1e-6,1e-7\n1e-5,1,1e-5,1e-7\n3e-5,1,3e-5,1e-7\n", encoding="utf-8")
    report = Measurements.read(path, unit="siemens").fit_report()
    assert report["g_range_siemens"] == [1e-6, 3e-5]
    assert report["spread"][0] == {
        "t_s": 1.0,
        "coefficients_microsiemens": [0.1, 0.0, 0.0],
        "rms_residual_microsiemens": 0.0,
        "worst_residual_microsiemens": 0.0,
        "r_squared": 1.0,
    }


def test_the_command_says_when_a_fit_had_no_choice(tmp_path, capsys):
    path = tmp_path / "three.csv"
    path.write_text("g,t,mean,std\n1e-6,1,1.1e-6,1e-7\n1e-5,1,1e-5,2e-7\n3e-5,1,3e-5,1e-7\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["crossbar", "device", str(path)])
    said = capsys.readouterr().out
    assert "through all 3 levels" in said
    assert "R2" not in said


def test_a_table_saved_by_a_spreadsheet_is_read(table):
    text = table.read_text(encoding="utf-8")
    table.write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8")
    assert Device.from_csv(table).on_siemens == pytest.approx(20e-6)


def test_the_command_reports_the_fits_and_draws_them(table, tmp_path, capsys):
    picture = tmp_path / "mine.png"
    for more in (["--json"], []):
        with pytest.raises(SystemExit) as ended:
            main(["crossbar", "device", str(table), "--out", str(picture), *more])
        assert not ended.value.code
    said = capsys.readouterr().out
    document, _ = json.JSONDecoder().raw_decode(said)
    assert document["times_s"] == [1.0, 3600.0]
    assert document["drift"][2]["nu"] == pytest.approx(np.log(20.2 / 18.5) / np.log(3600))
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "20 uS: mean ~ t^-0.0107" in said


class Leaky:
    """Somebody else's model: it can only be written and read."""

    name = "leaky"

    def program(self, target_siemens, *, rng):
        return target_siemens * (1 + 0.01 * rng.standard_normal(target_siemens.shape))

    def read(self, state, *, t_s, rng):
        return state * np.exp(-t_s / 1e4) * (1 + 0.01 * rng.standard_normal(state.shape))


def test_a_table_called_otherwise_is_refused_by_its_name(table):
    other = table.rename(table.with_suffix(".tsv"))
    with pytest.raises(InvalidValueError, match=r"in a \.csv, but got .*mine\.tsv"):
        open_target(f"crossbar:{other}")


def test_levels_beyond_the_table_are_refused_in_microsiemens(table):
    with pytest.raises(InvalidValueError, match="on 50 uS and the range 2 to 20 uS"):
        open_target(f"crossbar:{table}?on=50")


def test_a_strangers_model_runs_between_the_levels_it_is_given(monkeypatch):
    from emulators import crossbar as module

    monkeypatch.setattr(module, "load", lambda *_: Leaky())
    network = dense_network(np.random.default_rng(1), [40, 20])
    features = windows(np.random.default_rng(2), 6, 40)
    exact = open_target("ternary").program(network, seed=1).infer(features, t_us=times(6)).outputs
    backend = module.crossbar("leaky", {"on": "20", "off": "1", "adc_bits": "lossless"})
    whole = backend.program(network, seed=1).infer(features, t_us=times(6)).outputs
    session = backend.program(network, seed=1)
    parts = [session.infer(features[k : k + 2], t_us=times(6)[k : k + 2]).outputs for k in (0, 2, 4)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert np.corrcoef(exact.ravel(), whole.ravel())[0, 1] > 0.9
    with pytest.raises(InvalidValueError, match="give off= and on="):
        module.crossbar("leaky", {})
