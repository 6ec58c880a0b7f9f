"""Page list: every page of the console, once: its module, address, name, title, and what stands around it."""

from dataclasses import dataclass

IDENTITY = "<identity>"
"""Stands in the path of a page about one thing."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page; its content is what `body` of its module in `console/pages` returns for a request."""

    module: str
    path: str
    name: str
    title: str
    """The question that the page answers."""
    in_navigation: bool = True
    has_controls: bool = True
    """Whether the time range and the filters can be chosen on it."""

    @property
    def is_about_one(self) -> bool:
        """Whether the path ends in the id of the one thing that the page is about."""
        return self.path.endswith(IDENTITY)


_BROKE, _LIVED_THROUGH = "What broke, for whom, since when?", "What did this viewer experience?"

PAGES = (
    Page("overview", "/", "Overview", "How are viewers doing?"),
    Page("live", "/live", "Live", "What is happening right now?", has_controls=False),
    Page("explore", "/explore", "Explore", "Where is it different?"),
    Page("incidents", "/incidents", "Incidents", _BROKE),
    Page("incident", f"/incidents/{IDENTITY}", "Incident", _BROKE, in_navigation=False, has_controls=False),
    Page("sessions", "/sessions", "Sessions", _LIVED_THROUGH),
    Page("session", f"/sessions/{IDENTITY}", "Session", _LIVED_THROUGH, in_navigation=False, has_controls=False),
    Page("engagement", "/engagement", "Engagement", "Does quality cost watch time?"),
    Page("experiments", "/experiments", "Experiments", "Did the new version help?"),
    Page("health", "/health", "Health", "Can I trust these numbers?"),
    Page("rules", "/rules", "Rules", "When should an alert fire?", in_navigation=False, has_controls=False),
)
"""In the order of the navigation."""
