"""The page at /market in a real browser: what one person does, another one sees; the keyboard is
enough; everything has a name and can be read.  Needs Chromium, which is not among the packages that
are installed for the tests: where it is missing, these tests are skipped."""
import re

import pytest

from harness import browser as chromium
from harness.process import CHECKOUT

STATIC = CHECKOUT / "plugins/market/static"
SECRET = {"signing_secret": "only for a test, but long enough for that"}
PLUGINS = {"exchange": {"options": SECRET}, "market": {"options": {**SECRET, "root": str(STATIC)}}}
MOUNT = {"mount": {"prefix": "/desk"}}

needs_browser = pytest.mark.skipif(chromium.find() is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.Browser(tmp_path_factory.mktemp("browser")) as one:
        yield one


def look(browser, server, where="/market#BTC-USD", **options):
    page = browser.open(f"http://127.0.0.1:{server.port}{where}", alone=True, **options)
    page.wait("document.getElementById('connection').textContent === 'Live'")
    return page


def open_account(page):
    page.evaluate("document.getElementById('open').click()")
    page.wait("!document.getElementById('order').hidden")


def place(page, side, kind, size, price=""):
    page.evaluate(f"""(() => {{
        const form = document.getElementById('order');
        form.querySelector('input[value={side}]').click();
        form.querySelector('input[value={kind}]').click();
        document.getElementById('price').value = '{price}';
        document.getElementById('size').value = '{size}';
        form.requestSubmit();
    }})()""")


@needs_browser
def test_an_order_in_one_page_is_in_the_book_of_another(server, browser):
    s = server(plugins=PLUGINS)
    seller, buyer = look(browser, s), look(browser, s)
    open_account(seller)
    open_account(buyer)

    place(seller, "sell", "limit", "0.5", "200.25")
    buyer.wait("[...document.querySelectorAll('#asks tr')].some((r) => r.innerText === '200.25\\t0.5\\t0.5')")
    seller.wait("document.querySelector('#asks tr.own')")
    assert not buyer.evaluate("document.querySelector('#asks tr.own')")

    place(buyer, "buy", "market", "0.2")
    for page in (seller, buyer):
        page.wait("document.querySelector('#tape tr')?.innerText.includes('200.25')")
        page.wait("[...document.querySelectorAll('#asks tr')].some((r) => r.innerText.includes('0.3'))")
        page.wait("document.getElementById('last').textContent === '200.25'")
    buyer.wait("document.getElementById('message').textContent === 'Bought 0.2 BTC at 200.25.'")
    seller.wait("document.querySelector('#fills li').innerText.startsWith('Sold 0.2 BTC at 200.25')")
    assert seller.evaluate("document.querySelector('#candles').ariaLabel").startswith("Bitcoin")
    assert not seller.errors and not buyer.errors


@needs_browser
def test_a_page_that_lost_its_server_goes_on_by_itself(server, browser):
    s = server(plugins=PLUGINS)
    page = look(browser, s)
    open_account(page)
    place(page, "buy", "limit", "1", "90")
    page.wait("document.querySelector('#bids tr.own')")

    page.send("Network.emulateNetworkConditions",
              {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    s.reload()  # the stream ends with the old generation
    page.wait("document.getElementById('connection').textContent !== 'Live'")
    page.send("Network.emulateNetworkConditions",
              {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})

    page.wait("document.getElementById('connection').textContent === 'Live'")
    place(page, "buy", "limit", "1", "91")
    page.wait("document.querySelectorAll('#bids tr.own').length === 2")


FOCUS = """(() => {
    const e = document.activeElement;
    const shown = e.type === 'radio' ? e.nextElementSibling : e;
    return { id: e.id, label: e.ariaLabel ?? '', value: e.value ?? '',
             outline: getComputedStyle(shown).outlineStyle };
})()"""


def tab_to(page, wanted):
    """Presses Tab until the focus is there; each stop on the way has to show where it is."""
    for _ in range(80):
        page.press("Tab")
        focus = page.evaluate(FOCUS)
        assert focus["outline"] != "none", focus
        if wanted(focus):
            return focus
    raise AssertionError("the focus never came there")


@needs_browser
def test_the_keyboard_is_enough(server, browser):
    page = look(browser, server(plugins=PLUGINS))

    tab_to(page, lambda focus: focus["id"] == "open")
    page.press("Enter")
    page.wait("document.activeElement.value === 'buy'")  # it goes on in the form
    page.press("ArrowRight")
    page.wait("document.activeElement.value === 'sell'")
    tab_to(page, lambda focus: focus["id"] == "price")
    page.write("150")
    page.press("ArrowUp")
    page.press("ArrowUp", shift=True)
    assert page.evaluate("document.getElementById('price').value") == "150.11"
    tab_to(page, lambda focus: focus["id"] == "size")
    page.write("0.25")
    page.press("Enter")
    page.wait("document.querySelector('#orders li')")
    page.wait("document.getElementById('message').textContent.startsWith('Your order waits')")
    tab_to(page, lambda focus: focus["label"] == "Cancel: Sell 0.25 BTC at 150.11")
    page.press("Space")

    page.wait("document.querySelectorAll('#orders li').length === 0")
    page.wait("document.activeElement.id === 'account-title'")  # not lost with the button
    assert not page.errors


def cancel_button(price):
    return f"""document.querySelector('#orders button[aria-label$="at {price}"]')"""


@needs_browser
def test_a_button_keeps_the_focus_when_its_order_is_filled_in_part(server, browser):
    s = server(plugins=PLUGINS)
    seller, buyer = look(browser, s), look(browser, s)
    open_account(seller)
    open_account(buyer)
    for price in ("151", "150"):
        place(seller, "sell", "limit", "0.5", price)
        seller.wait(cancel_button(price))
    seller.evaluate(cancel_button("150") + ".focus()")

    place(buyer, "buy", "limit", "0.2", "150")

    seller.wait("[...document.querySelectorAll('#orders li')].some((li) => li.innerText.includes('0.2 filled'))")
    assert seller.evaluate("document.activeElement.ariaLabel") == "Cancel: Sell 0.3 BTC at 150"
    seller.press("Space")
    seller.wait("document.querySelectorAll('#orders li').length === 1")
    assert seller.evaluate("document.querySelector('#orders button').ariaLabel") == "Cancel: Sell 0.5 BTC at 151"
    assert not seller.errors and not buyer.errors


@needs_browser
def test_everything_has_a_name_and_fits_on_a_phone(server, browser):
    page = look(browser, server(plugins={"exchange": PLUGINS["exchange"],
                                         "market": {**PLUGINS["market"], **MOUNT}}),
                "/desk/market", width=390, height=844, dark=True, phone=True)
    open_account(page)
    page.send("Accessibility.enable")
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    named = {"button", "link", "textbox", "radio", "image", "table", "navigation", "heading", "region"}
    seen = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes
            if not n.get("ignored") and n.get("role", {}).get("value") in named]

    assert [role for role, name in seen if not name.strip()] == []
    assert {"button", "link", "textbox", "radio", "image", "navigation", "heading"} <= {r for r, _ in seen}
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelectorAll('main').length") == 1
    assert not page.errors


def contrast(one, other):
    """Of two colours "#rrggbb" (WCAG 2.2, relative luminance)."""
    def luminance(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_in_both_schemes():
    blocks = re.findall(r":root \{(.*?)\}", (STATIC / "base.css").read_text(), re.DOTALL)
    schemes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]

    assert len(schemes) == 2
    for scheme in schemes:
        for text in ("text", "soft", "buy", "sell", "accent"):
            for ground in ("page", "panel", "raised"):
                assert contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)
        assert contrast(scheme["on-accent"], scheme["accent"]) >= 4.5
        for side in ("buy", "sell"):
            assert contrast(scheme["on-side"], scheme[side]) >= 4.5
