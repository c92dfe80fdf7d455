"""The page as a browser shows it: nothing is loaded, everything is drawn, read, reached by keyboard, and heard."""

import itertools
import json

import pytest

from tests.helpers import reports
from tests.helpers.browser import CHROMIUM, browser
from tests.helpers.processes import run
from tests.helpers.sounds import saved, tune

pytest.importorskip("hitpredict.report.page")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page with"),
]
NASTY = "</style></svg><img src=https://example.com/x.png onerror=alert(1)><script src=//example.com></script>"
DRAWN = """
[...document.querySelectorAll('.plot')].map(plot => {
  const box = plot.querySelector('svg').getBoundingClientRect();
  const marks = plot.querySelectorAll('svg path, svg rect, svg line');
  const seen = [...marks].filter(m => { const b = m.getBoundingClientRect(); return b.width + b.height > 1; });
  return {label: plot.getAttribute('aria-label'), role: plot.getAttribute('role'), wide: box.width, high: box.height,
          marks: seen.length};
})
"""
# Every text with the first opaque ground behind it.
CONTRASTS = """
(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = numbers(colour).slice(0, 3).map(c => c / 255).map(
      c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const [, , , alpha = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (alpha == 1) return getComputedStyle(at).backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.data.trim() || element.closest('style')) continue;
    const colour = element.closest('svg') ? style.fill : style.color;
    const [low, high] = [light(colour), light(ground(element))].sort((a, b) => a - b);
    found.push([(high + 0.05) / (low + 0.05), node.data.trim().slice(0, 40)]);
  }
  return found;
})()
"""
PLAYED = """
Promise.all([...document.querySelectorAll('audio')].map(audio => new Promise((done, failed) => {
  audio.addEventListener('error', () => failed(audio.error.message));
  audio.addEventListener('timeupdate', () => { if (audio.currentTime > 0) { audio.pause();
    done({seconds: audio.duration, label: audio.getAttribute('aria-label')}); } });
  audio.play().catch(failed);
})))
"""
FOCUSED = """
(() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const name = element.getAttribute('aria-label') || element.textContent.trim();
  const outline = style.outlineStyle != 'none' && parseFloat(style.outlineWidth) >= 2;
  return {at: element.getBoundingClientRect().top + scrollY, tag: element.tagName, name, outline};
})()
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A page of all kinds of records, with players, as a browser has it."""
    folder = tmp_path_factory.mktemp("browser")
    song = saved(folder, "song.wav", tune(12))
    recipes = {
        op: {"schema": "hitpredict.recipe/1", "steps": [{"op": op, "hz": 500}]} for op in ("highpass", "lowpass")
    }
    records = [
        *(reports.score(str(n), score=40 + n, path=str(song), duration=12.0, warnings=[NASTY]) for n in range(2)),
        *(reports.compare(each) for each in ("mix", NASTY)),
        *(reports.effect(each, "song", path=str(song), recipe=recipe) for each, recipe in recipes.items()),
        *(reports.effect(each, NASTY, significant=False) for each in ("pitch", NASTY)),
        *(reports.in_common(each, rank, correlations={"pitch": 0.5}) for rank, each in enumerate(("pitch", NASTY), 1)),
        reports.evaluation(model=NASTY),
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    outcome = run("report", "-", "--audio", "-o", folder / "page.html", stdin=lines)
    assert (outcome.code, outcome.err) == (0, "")
    with browser(folder) as page:
        page.open(folder / "page.html")
        yield page, folder / "page.html"


def test_nothing_is_asked_for_and_nothing_is_said(shown):
    page, path = shown
    page.evaluate(PLAYED)
    asked = [each["request"]["url"] for each in page.told("Network.requestWillBeSent")]
    assert path.as_uri() in asked
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "about"}
    assert {url for url in asked if url.startswith("file:")} == {path.as_uri()}
    assert page.told("Runtime.consoleAPICalled") == page.told("Runtime.exceptionThrown") == []
    assert page.told("Log.entryAdded") == []


def test_a_request_would_be_seen(shown):
    page, path = shown
    other = path.with_name("other.html")
    other.write_text("<!doctype html><img src='https://example.com/x.png'><script>console.error('a')</script>")
    events, page.events = page.events, []
    page.open(other)
    seen, page.events = page, events
    asked = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert "https://example.com/x.png" in asked
    assert seen is page
    page.open(path)


def test_every_picture_is_drawn_and_named(shown):
    page, _ = shown
    pictures = page.evaluate(DRAWN)
    assert len(pictures) > 12
    for each in pictures:
        assert each["marks"] >= 3, each
        assert min(each["wide"], each["high"]) > 30, each
        assert each["role"] == "img"
        assert len(each["label"]) > 25


def test_every_player_plays(shown):
    page, _ = shown
    heard = page.evaluate(PLAYED)
    assert len(heard) == 3
    assert all(9 < each["seconds"] < 11 and len(each["label"]) > 10 for each in heard)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(shown, scheme):
    page, path = shown
    page.open(path, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 200
    assert [each for each in found if each[0] < 4.5] == []


@pytest.mark.parametrize("width", [400, 800, 1400])
def test_the_page_is_as_wide_as_its_window(shown, width):
    page, path = shown
    page.open(path, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_everything_in_its_order(shown):
    page, path = shown
    page.open(path)
    wanted = page.evaluate("document.querySelectorAll('a, .plot, summary, audio').length")
    reached = []
    for _ in range(20 * wanted):
        page.press("Tab", 9)
        now = page.evaluate(FOCUSED)
        if now["tag"] == "BODY":
            break
        # A player has buttons of its own, which a page cannot look into.
        if not (reached and now["tag"] == "AUDIO" and now["name"] == reached[-1]["name"]):
            reached.append(now)
    assert len(reached) == wanted
    assert reached[0]["name"] == "Skip to the content"
    assert all(each["outline"] for each in reached if each["tag"] != "AUDIO"), reached
    places = [each["at"] for each in reached[1:] if each["tag"] != "A"]
    assert all(before <= after + 400 for before, after in itertools.pairwise(places))


def test_print_is_light_without_players_and_whole(shown):
    page, path = shown
    page.open(path, scheme="dark")
    page("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.evaluate("[...document.querySelectorAll('audio')].every(each => !each.getClientRects().length)")
    assert page.evaluate(
        "[...document.querySelectorAll('figure')].every(each => getComputedStyle(each).breakInside == 'avoid')"
    )
    page("Emulation.setEmulatedMedia", media="", features=[])
