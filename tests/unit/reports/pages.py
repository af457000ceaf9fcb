"""Reads a report as a browser does."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["Page", "read"]

_VOID = {"meta", "br", "line", "rect", "circle", "path", "polygon", "link", "img", "col"}


class Page(HTMLParser):
    """Which tags are open at the end, what text is shown, which ids and addresses there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [value for name, value in attrs if name in {"src", "href"} and value]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data.strip()}" if data.strip() else ""


def read(html: str) -> Page:
    """Return the page, which is whole, names nothing twice, and asks for nothing from elsewhere."""
    page = Page(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.addresses == []
    assert "script" not in page.tags
    return page
