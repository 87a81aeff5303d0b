"""The pages agree with the tree: every link leads somewhere, every package and entry point named is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
HOUSE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_project(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_a_page_exist(page):
    named = re.findall(r"`((?:hil|quant|boards|emulators|sensors|experiments|docs)/[\w./-]+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_house_lists_every_page():
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"architecture.md"}
    assert set(re.findall(r"^\| \[([\w-]+\.md)\]", HOUSE, re.MULTILINE)) == pages


def test_house_names_the_entry_point_groups_there_are():
    named = set(re.findall(r"`(hil\.[a-z_]+)`", HOUSE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    ours = {group for group in project["entry-points"] if group.startswith("hil.")}
    assert ours == named


def test_decisions_are_numbered_one_by_one_and_say_their_number():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    headings = [page.read_text("utf-8").split("\n", 1)[0] for page in pages]
    assert [heading.split(".")[0] for heading in headings] == [f"# {number}" for number in numbers]
