from __future__ import annotations

import pytest

from pipeline_kit.app.keys import Bases, key_images
from pipeline_kit.app.sources import ImageSources
from pipeline_kit.config.model import ImageConfig, ImageContext, Location, NamedContext, ReferenceContext
from pipeline_kit.dockerfile import parse, uses
from pipeline_kit.snapshot import FILE, Listing

DIGEST = f"sha256:{'a' * 64}"
FILES = Listing.of((name, FILE + b" x") for name in (b"read", b"unread"))


def sources(
    dockerfile: str, args: dict[str, str], contexts: dict[str, NamedContext] | None = None, *, name: str = "api"
) -> ImageSources:
    """Return what is read for an image with this Dockerfile and these build arguments."""
    given = contexts or {}
    image = ImageConfig(
        name=name,
        repository=name,
        context=".",
        dockerfile="Dockerfile",
        location=Location("pipeline-kit.yaml", 1, 1),
        args=args,
        contexts=given,
        volatile_args=("STAMP",),
    )
    found = parse(dockerfile.encode(), "Dockerfile")
    used = uses(found, target=None, args=args, platforms=image.platforms, contexts=given)
    return ImageSources(
        image, dockerfile.encode(), used, args, {"": FILES}, triggers=("ARG HIDDEN",) * ("ONBUILD" in dockerfile)
    )


def counted(own: ImageSources, *others: ImageSources, quiet: tuple[str, ...] = ()) -> tuple[set[str], list[bytes]]:
    """Return the build arguments and the files that count for ``own``."""
    everything = {item.image.name: item for item in (own, *others)}
    bases = Bases(dict.fromkeys(("base.invalid/x", "base.invalid/y"), DIGEST), frozenset(quiet))
    inputs = key_images(everything, bases, prefix="", now=0.0)[own.image.name].inputs
    assert inputs is not None
    return set(inputs.args), inputs.files[""].paths


ARGS = {"SEEN": "1", "HIDDEN": "2", "STAMP": "3"}


def test_a_quiet_base_leaves_undeclared_arguments_out() -> None:
    """Only what the Dockerfile sees counts where the base is known to add nothing."""
    own = sources("FROM base.invalid/x\nARG SEEN\nCOPY read /\n", ARGS)
    assert counted(own, quiet=("base.invalid/x",)) == ({"SEEN"}, [b"read"])


@pytest.mark.parametrize("copy", ["COPY read /", "COPY . /"])
def test_triggers_of_a_base_may_declare_any_argument(copy: str) -> None:
    """ONBUILD ARG in a base makes an argument count that the Dockerfile itself never names; volatile ones stay out."""
    own = sources(f"FROM base.invalid/x\nARG SEEN\n{copy}\n", ARGS)
    assert counted(own) == ({"SEEN", "HIDDEN"}, [b"read", b"unread"])


def test_triggers_behind_a_named_context_count_alike() -> None:
    """It makes no difference whether the base is an image elsewhere or one of this configuration."""
    text = "FROM parent\nCOPY read /\n"
    elsewhere = sources(text, ARGS, {"parent": ReferenceContext("base.invalid/y")})
    assert counted(elsewhere) == ({"SEEN", "HIDDEN"}, [b"read", b"unread"])
    assert counted(elsewhere, quiet=("base.invalid/y",)) == (set(), [b"read"])
    here = sources(text, ARGS, {"parent": ImageContext("base")})
    loud = sources("FROM scratch\nONBUILD ARG HIDDEN\n", {}, name="base")
    quiet = sources("FROM scratch\n", {}, name="base")
    assert counted(here, loud) == ({"SEEN", "HIDDEN"}, [b"read", b"unread"])
    assert counted(here, quiet) == (set(), [b"read"])
