"""Pages: kept until their account moves, and no more of them than there is room for."""

from tallystick.node.pages import Pages

EUR, GOLD = "eur@bank", "gold@vault"


def test_a_page_is_found_by_exactly_what_was_asked():
    pages = Pages()
    pages.keep("alice", b"ten of eur", asset=EUR, limit=10)
    pages.keep("alice", b"ten of all", asset=None, limit=10)
    assert pages.find("alice", asset=EUR, limit=10) == b"ten of eur"
    assert pages.find("alice", asset=None, limit=10) == b"ten of all"
    assert pages.find("alice", asset=EUR, limit=11) is None
    assert pages.find("alice", asset=GOLD, limit=10) is None
    assert pages.find("bob", asset=EUR, limit=10) is None


def test_an_account_whose_balance_is_written_loses_its_pages_and_others_keep_theirs():
    pages = Pages()
    for account in ("alice", "bob"):
        pages.keep(account, b"of eur", asset=EUR, limit=10)
        pages.keep(account, b"of all", asset=None, limit=10)
    pages.forget([("clock",), ("held", "bob", EUR), ("account", "bob"), ("ids", 7, "bob", "id")])
    assert len(pages) == 4
    pages.forget(
        [("clock",), ("balance", "alice", GOLD), ("balance", "alice", EUR), ("balance", "carol", EUR)]
    )
    assert pages.find("alice", asset=EUR, limit=10) is None
    assert pages.find("alice", asset=None, limit=10) is None
    assert pages.find("bob", asset=EUR, limit=10) == b"of eur"
    assert len(pages) == 2
    pages.clear()
    assert pages.find("bob", asset=EUR, limit=10) is None


def test_the_account_kept_first_goes_when_there_is_no_room_for_one_byte_more():
    room = 3 * (1_000 + 400)
    pages = Pages(size_bytes_max=room)
    for account in ("alice", "bob", "carol"):
        pages.keep(account, bytes(1_000), asset=EUR, limit=10)
    pages.keep("bob", bytes(1_000), asset=EUR, limit=10)  # in the place of the one before
    assert len(pages) == 3
    pages.keep("carol", bytes(1_001), asset=EUR, limit=10)
    assert pages.find("alice", asset=EUR, limit=10) is None
    assert len(pages) == 2
    pages.keep("dave", bytes(2 * room), asset=EUR, limit=10)  # more than there is room for at all
    assert len(pages) == 0
    pages.keep("erin", bytes(1_000), asset=EUR, limit=10)
    assert len(pages) == 1
