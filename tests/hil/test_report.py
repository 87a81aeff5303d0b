"""The report: one page that stands alone, whatever text a user puts into it, and pictures that show what happened."""

import html
import json
import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hil.compare import compare
from hil.errors import InvalidValueError
from hil.loop import LineSettings
from hil.network import FeatureSpec
from hil.report import choose_windows, event_pictures, feature_pictures, json_text, render, write_report
from hil.report.pictures import picture_counts, picture_events
from hil.report.png import encode_png
from hil.report.svg import nice_ticks
from hil.report.timelines import CHARACTER_WIDTH, NAME_LEFT, NAMES_WIDTH
from hil.types import EventBatch, FeatureBatch, Geometry
from tests.hil.substrates import FakeBackend, flipped, noisy, small_network, some_windows

NETWORK = small_network()
WINDOWS = some_windows(NETWORK, 30)
VOID = {"meta", "img", "br", "link", "input", "hr"}
HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Checks that every tag closes, and collects what a reader reads and what a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.words, self.fetched = [], [], [], []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href", "xlink:href", "action", "data"}]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def compared(*targets, network=NETWORK, windows=WINDOWS, **settings):
    return compare(windows, network, FakeBackend(name="reference"), targets or [noisy(1.0)], seed=3, **settings)


def default_pictures(comparison):
    return feature_pictures(comparison.features, comparison.network.features, choose_windows(comparison))


@pytest.mark.parametrize(
    "comparison",
    [
        compared("ternary", "float", noisy(1.0), flipped(0, 1, 2), requirements=["gate_agreement=0.9", "accuracy=1"]),
        compared(noisy(1.0), network=small_network(captions=False)),
        compared(noisy(1.0), windows=some_windows(NETWORK, 1)),
        compared(noisy(1.0), settings=LineSettings(loss=1.0, gate_threshold=0.0), truth=np.arange(30) % 6),
    ],
    ids=["many", "no captions", "one window", "nothing arrives"],
)
def test_page_is_well_formed_and_fetches_nothing(comparison):
    page = Page(render(comparison, default_pictures(comparison)))
    assert all(source.startswith("data:image/png;base64,") for source in page.fetched)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://", render(comparison).replace("http://www.w3.org", ""))


def test_page_says_what_happened():
    words = " ".join(Page(render(compared(flipped(1, 20, 7), "float"))).words)
    assert "Failed: flipped" in words
    assert "departs at layer 1, row 7, window 20" in words
    assert "float lies" in words
    passed = " ".join(Page(render(compared("ternary"))).words)
    assert "Passed: 1 identical" in passed
    assert "gives what reference gives in every one of" in passed


def test_last_layer_has_sums_and_no_activations():
    text = render(compared("float", flipped(0, 1, 2)))
    figures = text[text.index("Error of each layer") : text.index("Which captions are taken")]
    _, *hidden, last = figures.split("<h3>Layer ")
    assert "1 sum and 0 activations differ" in " ".join(hidden)
    assert re.search(r"\d sums differ", last)
    assert "activations" not in last


def test_long_names_leave_room_for_the_marks():
    name = "crossbar:pcm_nandakumar2019_of_mine?age_s=86400&wires=0&adc_bits=lossless"
    text = render(compared(noisy(1.0, name=name)))
    gate = text[text.index("Which windows each gate sent") : text.index("What each receiver holds true")]
    lines = [html.unescape(line) for line in re.findall(r"<tspan[^>]*>([^<]*)</tspan>", gate)]
    assert any(line.startswith("?age_s=86400") for line in lines)
    assert max(map(len, lines)) * CHARACTER_WIDTH + NAME_LEFT < NAMES_WIDTH
    assert f"<title>{html.escape(name)}</title>" in gate


def test_page_escapes_what_users_write():
    comparison = compared(noisy(1.0, name=HOSTILE), command=f"hil compare {HOSTILE}")
    text = render(comparison, default_pictures(comparison))
    assert HOSTILE not in text
    assert "<b>four</b>" not in text
    assert HOSTILE in "".join(Page(text).words)


def test_page_keeps_figures_of_different_sources_apart():
    text = render(compared(noisy(1.0), FakeBackend(name="digital")))
    wall, cycles = text.index("Wall time"), text.index("Counted clock cycles")
    assert "noisy" in text[wall:cycles]
    assert "digital" not in text[wall:cycles]
    assert "Energy" not in text


def test_report_is_two_files_that_agree(tmp_path):
    comparison = compared("ternary", noisy(1.0))
    page, document = write_report(comparison, tmp_path / "new" / "folder")
    assert json.loads(document.read_text()) == json.loads(json_text(comparison))
    assert page.read_text().count("data:image/png") == 12


def test_report_without_a_layout_of_features_has_no_pictures(tmp_path):
    network = small_network(spec=None)
    page, _ = write_report(compared(network=network, windows=some_windows(network, 9)), tmp_path)
    assert "data:image/png" not in page.read_text()


def test_report_document_of_two_runs_is_the_same_bytes_but_for_timing():
    texts = [json_text(compared("ternary", "float", noisy(0.5))) for _ in range(2)]
    kept = [text[: text.index('"timing"')] for text in texts]
    assert kept[0] == kept[1]
    assert texts[0].index('"timing"') > 0.9 * len(texts[0])


def test_windows_with_pictures_include_some_where_a_target_departs():
    comparison = compared(noisy(1.5))
    chosen = choose_windows(comparison)
    target = comparison.targets[0].trace
    departs = (target.captions != comparison.reference.captions) | (target.gate.sent != comparison.reference.gate.sent)
    assert len(chosen) == len(set(chosen)) == 12
    assert chosen == sorted(chosen)
    assert departs[chosen].sum() >= min(6, departs.sum())


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(4))))
def test_png_holds_its_pixels(pixels):
    """Read by the rules of RFC 2083: signature, length, kind, data and check of each chunk."""
    blob, at, chunks = encode_png(pixels), 8, {}
    assert blob[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        kind, data = blob[at + 4 : at + 8], blob[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", blob, at + 8 + length)[0] == zlib.crc32(kind + data)
        chunks[kind], at = data, at + 12 + length
    rows, columns = pixels.shape[:2]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (columns, rows, 8, 6, 0, 0, 0)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, 1 + 4 * columns)
    assert not lines[:, 0].any()
    np.testing.assert_array_equal(lines[:, 1:].reshape(pixels.shape), pixels)


def test_png_of_no_image_is_refused():
    with pytest.raises(InvalidValueError, match="an image is"):
        encode_png(np.zeros((2, 2, 3), np.uint8))


def batch(t, x, y, p):
    return EventBatch(np.array(t, np.int64), np.array(x, np.uint16), np.array(y, np.uint16), np.array(p, bool))


def test_camera_is_drawn_where_its_pixels_are():
    counts = picture_events(
        batch([0, 1, 2], [3, 3, 0], [1, 1, 2], [True, True, False]), Geometry(4, 3), start_us=0, end_us=10
    )
    assert counts.shape == (2, 3, 4)
    assert counts[1, 1, 3] == 2
    assert counts[0, 2, 0] == 1
    assert counts.sum() == 3


def test_large_camera_is_drawn_at_most_320_pixels_wide():
    counts = picture_events(batch([0], [1279], [719], [True]), Geometry(1280, 720), start_us=0, end_us=1)
    assert counts.shape == (2, 180, 320)
    assert counts[1, 179, 319] == 1


@pytest.mark.parametrize("ears", [1, 2])
def test_cochlea_is_drawn_as_channels_over_time(ears):
    events = batch([0, 50, 99], [5, 6, 63], [0, 0, ears - 1], [True, True, True])
    counts = picture_events(events, Geometry(64, ears), start_us=0, end_us=100)
    assert counts.shape == (2, 64 * ears, 160)
    rows, columns = np.nonzero(counts[1])
    assert rows.tolist() == [5, 6, 64 * ears - 1]
    assert columns.tolist() == [0, 80, 158]


def test_picture_is_blue_for_on_orange_for_off_and_clear_where_nothing_happened():
    counts = np.zeros((2, 1, 4))
    counts[1, 0, 0], counts[0, 0, 1], counts[:, 0, 2] = 3, 3, 1
    on, off, both, nothing = picture_counts(counts)[0].astype(int)
    assert on[2] > on[0]
    assert off[0] > off[2]
    assert (on[3], off[3], both[3], nothing[3]) == (255, 255, 0, 0)


class Recorded:
    """Events of two windows, in two batches."""

    geometry = Geometry(8, 8)

    def __iter__(self):
        yield batch([0, 10, 90], [0, 1, 2], [0, 0, 0], [True] * 3)
        yield batch([100, 180, 190], [3, 4, 5], [0, 0, 0], [False] * 3)


def test_pictures_take_the_events_of_their_window_only():
    features = FeatureBatch(np.zeros((2, 4), np.int8), np.array([0, 100]), np.array([100, 200]), np.array([3, 3]))
    whole = event_pictures(Recorded(), features, [1])
    assert [(picture.window, picture.width, picture.height) for picture in whole] == [(1, 8, 8)]
    assert whole[0].about.startswith("3 events in 0.1 ms")
    halves = event_pictures(Recorded(), features, [0, 1], parts=2)
    assert [picture.about.split(" ", 1)[0] for picture in halves] == ["2", "2"]


def test_features_of_a_cochlea_are_drawn_over_time():
    spec = FeatureSpec(width=16, height=1, time_bins=5, window_us=1000)
    features = FeatureBatch(np.ones((1, spec.d_in), np.int8), np.array([0]), np.array([1000]), np.array([160]))
    picture = feature_pictures(features, spec, [0])[0]
    assert (picture.width, picture.height) == (5, 16)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 10))
def test_ticks_are_round_few_and_inside(low, span, about):
    high = low + span
    ticks = nice_ticks(low, high, about=about)
    assert len(ticks) <= about + 1
    assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span for tick in ticks)
