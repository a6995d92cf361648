"""The generator's output is moved to its flat home without touching a name on the wire."""

from __future__ import annotations

from pathlib import Path

import gen_proto
import pytest

from tests.tidy.product import PRODUCT


@pytest.mark.parametrize(
    ("written", "rewritten"),
    [
        (
            "from ioe.v1 import grid_pb2 as ioe_dot_v1_dot_grid__pb2\n",
            "from ioe_router.codec._pb import grid_pb2 as ioe_dot_v1_dot_grid__pb2\n",
        ),
        (
            "_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'ioe.v1.grid_pb2', _globals)",
            "_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'ioe_router.codec._pb.grid_pb2', _globals)",
        ),
        ("import ioe.v1.grid_pb2\n", "import ioe_router.codec._pb.grid_pb2\n"),
        ("x: ioe.v1.grid_pb2.SweepUp", "x: ioe_router.codec._pb.grid_pb2.SweepUp"),
        ("'/ioe.v1.PeerService/Connect',", "'/ioe.v1.PeerService/Connect',"),
        ("'ioe.v1.PeerService', methods)", "'ioe.v1.PeerService', methods)"),
        ("# source: ioe/v1/grid.proto", "# source: ioe/v1/grid.proto"),
        ("from google.protobuf import timestamp_pb2", "from google.protobuf import timestamp_pb2"),
    ],
)
def test_only_module_references_are_rewritten(written: str, rewritten: str) -> None:
    """Imports and module names move; service names, proto paths and other packages stay."""
    assert gen_proto.rewrite_imports(written) == rewritten


def test_stale_names_changed_missing_and_left_over_files(tmp_path: Path) -> None:
    """The comparison sees all three kinds of drift, and writing repairs them."""
    folder = tmp_path / gen_proto.MESSAGES.folder
    folder.mkdir(parents=True)
    (folder / "same.py").write_text("same")
    (folder / "changed.py").write_text("old")
    (folder / "left_over.py").write_text("x")
    wanted = {f"{gen_proto.MESSAGES.folder}/{name}.py": name for name in ("same", "changed", "missing")}
    names = [Path(name).stem for name in gen_proto.stale(wanted, tmp_path)]
    assert names == ["changed", "left_over", "missing"]
    gen_proto.write(wanted, tmp_path)
    assert gen_proto.stale(wanted, tmp_path) == []
    assert not (folder / "left_over.py").exists()


def test_committed_code_loads_on_every_supported_protobuf() -> None:
    """The generator's version, written into each file, is 6.31: what run-times 6.33 and 7.x accept."""
    generated = sorted((PRODUCT / "codec" / "_pb").glob("*_pb2.py"))
    assert generated
    versions = {
        line.removeprefix("# Protobuf Python Version: ")
        for path in generated
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# Protobuf Python Version: ")
    }
    assert versions == {"6.31.1"}
