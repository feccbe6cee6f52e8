from pathlib import Path

import pytest

from stocktrack.client.time_zone import machine_zone


@pytest.mark.parametrize(
    ("value", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/posix/Asia/Tokyo", "Asia/Tokyo"),
        ("", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", None),
        ("../../etc/passwd", None),
        ("/etc/passwd", None),
        ("Mars/Base\0", None),
        ("A" * 5_000, None),
    ],
)
def test_the_variable_decides_where_it_is_set(value: str, zone: str | None, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/timezone").write_text("Asia/Kolkata\n")

    assert machine_zone(environment={"TZ": value}, root=tmp_path) == zone


def test_without_it_the_link_says_it_then_the_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    assert machine_zone(environment={}, root=tmp_path) is None

    (tmp_path / "etc/timezone").write_bytes(b"Asia/Kolkata\n# of this machine\n")
    assert machine_zone(environment={}, root=tmp_path) == "Asia/Kolkata"

    (tmp_path / "etc/localtime").symlink_to("../usr/share/zoneinfo/America/New_York")
    assert machine_zone(environment={}, root=tmp_path) == "America/New_York"


def test_a_link_that_leads_over_another_one_is_followed_and_one_in_a_circle_is_not(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").symlink_to("zone")
    (tmp_path / "etc/zone").symlink_to("/var/db/timezone/zoneinfo/Europe/Paris")
    assert machine_zone(environment={}, root=tmp_path) == "Europe/Paris"

    (tmp_path / "etc/zone").unlink()
    (tmp_path / "etc/zone").symlink_to("localtime")
    assert machine_zone(environment={}, root=tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00", b"no zone at all\n", b"x" * 100_000])
def test_a_file_with_something_else_in_it_says_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/timezone").write_bytes(content)

    assert machine_zone(environment={}, root=tmp_path) is None
