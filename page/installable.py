"""What a browser needs to install the page as an app. Gradio's own manifest leads nowhere under a path of a proxy."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ICON = Path(__file__).parent.parent / "assets" / "icon.svg"
# The page's link to its manifest starts at the root of the host, wherever the page itself lies.
LINK = """<script>
document.querySelector('link[rel=manifest]')?.setAttribute(
  'href', `${new URL(window.gradio_config?.root || '/', location.href).pathname.replace(/[/]$/, '')}/manifest.json`);
</script>"""


def manifest_of(title: str, name: str) -> Route:
    """The address of the manifest of a page with this title, and a short `name` under its icon."""
    manifest = {
        "name": title,
        "short_name": name,
        "icons": [{"src": "pwa_icon", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#f5f2ec",
        "theme_color": "#1d3f66",
    }

    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse(manifest, media_type="application/manifest+json")

    return Route("/manifest.json", answer)
