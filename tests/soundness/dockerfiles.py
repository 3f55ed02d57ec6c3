"""Random Dockerfiles over a given tree: ordinary ones, and ones with every form that the list of traps names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

SHELL, THIN, LOUD = "base.invalid/shell:1", "base.invalid/thin:1", "base.invalid/loud:1"
OTHER_NAME = "other"
BELOW_NAME = "below"
"""The named context that stands for another image of the configuration."""
FLAGS = ("exclude", "parents")
"""Flags of COPY and ADD that not every builder knows."""
_SIMPLE = re.compile(r"[A-Za-z0-9_./-]+")
_ARGS = ("WHICH", "KIND", "PLACE")
BASE_VARIABLE = "BASE_DIR"
"""Set by the thin base image, so that no reader of the Dockerfile can know its value."""


@dataclass(slots=True)
class Writer:
    """A Dockerfile in the making. ``files`` and ``directories`` are paths of the main context, as text."""

    rng: random.Random
    ordinary: bool
    files: Sequence[str]
    directories: Sequence[str]
    links: Sequence[str]
    other: Sequence[str]
    flags: frozenset[str] = frozenset()
    """Those of :data:`FLAGS` that the builder knows."""
    escape: str = "\\"
    lines: list[str] = field(default_factory=list)
    args: dict[str, str] = field(default_factory=dict)
    bases: set[str] = field(default_factory=set)
    target: str | None = None
    named: bool = False
    chained: bool = False
    declared: list[str] = field(default_factory=list)

    def chance(self, share: float) -> bool:
        """Return true in ``share`` of all calls."""
        return self.rng.random() < share

    def odd(self, share: float) -> bool:
        """Return true in ``share`` of all calls for Dockerfiles that are not ordinary."""
        return not self.ordinary and self.chance(share)

    def text(self) -> bytes:
        """Write a whole Dockerfile and return its bytes."""
        if self.odd(0.12):
            self.escape = "`"
            self.lines.append("# escape=`")
        if self.chance(0.25):
            self._meta_args()
        shapes = (self._single, self._single, self._built, self._chosen, self._chain, *self._odd_shapes())
        self.rng.choice(shapes)()
        if self.odd(0.1):
            self.lines = [
                re.sub(r"^(?:COPY|ENV|FROM|ONBUILD)\b", lambda found: found[0].lower(), line) for line in self.lines
            ]
        ending = "\r\n" if self.odd(0.12) else "\n"
        mark = b"\xef\xbb\xbf" if self.odd(0.12) else b""
        return mark + (ending.join(self.lines) + ending).encode()

    def below(self) -> bytes:
        """Write the Dockerfile of an image that others are built upon, and return its bytes."""
        self._single()
        if self.odd(0.4):
            self.lines.append(self.rng.choice(("ONBUILD COPY . /onbuild/", "ONBUILD COPY [a-z]* /onbuild/")))
        return "".join(f"{line}\n" for line in self.lines).encode()

    def _odd_shapes(self) -> tuple[Callable[[], None], ...]:
        return (
            ()
            if self.ordinary
            else (*(self._triggered, self._mounted, self._mounted, self._loud, self._by_number, self._on_directory),)
        )

    def _meta_args(self) -> None:
        name = self.rng.choice(_ARGS)
        value = self._plain_path()
        self.lines.append(f"ARG {name}={value}")
        self.declared.append(name)
        if self.chance(0.5):
            self.args[name] = self._plain_path()

    # -- whole shapes

    def _single(self) -> None:
        self._from(self.rng.choice(("scratch", "scratch", THIN)))
        self._body(self.rng.randint(1, 4))

    def _built(self) -> None:
        """Write the usual pair: a stage that makes something of its sources, and one that takes only that.

        What it makes depends on all that it is given, the base included: no tag can know what a step leaves unused.
        """
        self._from(SHELL, "build")
        self.lines.append("WORKDIR /src")
        self._copies(self.rng.randint(1, 2), "./")
        self.lines.append(f"RUN --network=none ({_MAKE}) >/out 2>&1; cp /out /src/made")
        self._from(self.rng.choice(("scratch", THIN)))
        self.lines.append(self.rng.choice(("COPY --from=build /out /out", "COPY --from=build /src /srv")))
        self._body(self.rng.randint(0, 2))

    def _chosen(self) -> None:
        """Write several stages of which the target needs some."""
        names = self.rng.sample(("one", "two", "three", "four"), self.rng.randint(2, 4))
        for index, name in enumerate(names):
            self._from(self.rng.choice(("scratch", "scratch", THIN, *names[:index])), name)
            self._body(self.rng.randint(1, 2))
            if index and self.chance(0.4):
                self.lines.append(f"COPY --from={self.rng.choice(names[:index])} / /from/")
        if self.chance(0.7):
            self.target = self.rng.choice(names)

    def _chain(self) -> None:
        """Write a stage upon another image of the configuration, or one that takes files from it."""
        self.chained = True
        if self.chance(0.6):
            self._from(BELOW_NAME)
        else:
            self._from(self.rng.choice(("scratch", THIN)))
            self.lines.append(f"COPY --from={BELOW_NAME} / /from/")
        self._body(self.rng.randint(1, 3))

    def _by_number(self) -> None:
        self._from("scratch")
        self._body(2)
        self._from(self.rng.choice(("scratch", THIN)), "Upper")
        self._body(1)
        self._from("scratch")
        self.lines += ["COPY --from=0 / /zero/", f"COPY --from={self.rng.choice(('upper', 'UPPER', '1'))} / /one/"]
        if self.chance(0.3):
            self.bases.add(THIN)
            self.lines.append(f"COPY --from={THIN} /etc /etc")
        if self.chance(0.3):
            self.target = self.rng.choice(("upper", "UPPER"))

    def _triggered(self) -> None:
        self._from("scratch", "parent")
        self.lines += [f"ONBUILD {self._copy('/triggered/')}" for _ in range(self.rng.randint(1, 2))]
        self._body(self.rng.randint(0, 1))
        self._from("parent", "child")
        self._body(self.rng.randint(0, 1))
        if self.chance(0.4):
            self._from("child")
            self.lines.append("ENV LAST=yes")

    def _loud(self) -> None:
        self._from(LOUD)
        if self.chance(0.3):
            self.args["WHICH"] = self._plain_path()
        self._body(self.rng.randint(0, 2))

    def _on_directory(self) -> None:
        """Write a stage whose base is the named context, or one that stands in for a stage of that name."""
        self.named = True
        if self.chance(0.5):
            self._from(OTHER_NAME)
            self._body(1)
            return
        self._from("scratch", OTHER_NAME)
        self._body(1)
        self._from("scratch")
        self.lines.append(f"COPY --from={OTHER_NAME} . /from/")
        self._body(1)

    def _mounted(self) -> None:
        self._from(SHELL, "made")
        for number in range(self.rng.randint(1, 2)):
            command = f"mkdir -p /made && cp -a /m /made/{number} 2>/dev/null; ls -lR /m | cut -c1-4 >/made/l{number}"
            self.lines.append(f"RUN --network=none --mount={self._mount()} {command}; true")
        self._from("scratch")
        self.lines.append("COPY --from=made /made /")
        self._body(self.rng.randint(0, 1))

    def _mount(self) -> str:
        form = self.rng.random()
        if form < 0.15:
            return "type=bind,target=/m"
        if form < 0.3 and self.other:
            self.named = True
            return f"from={OTHER_NAME},source={self.rng.choice(self.other)},target=/m"
        if form < 0.35:
            self.bases.add(THIN)
            return f"from={THIN},target=/m"
        path = self.rng.choice([*self.files, *self.directories, *self.links, "a"])
        path = path if _SIMPLE.fullmatch(path) else "."
        return self.rng.choice(
            (f"type=bind,source={path},target=/m", f"source=/{path},dst=/m,rw", f"type=bind,target=/m,src=./{path}")
        )

    # -- parts of a stage

    def _from(self, base: str, name: str = "") -> None:
        if "." in base:
            self.bases.add(base)
        self.lines.append(f"FROM {base}" + (f" AS {name}" if name else ""))
        self.declared = []

    def _body(self, count: int) -> None:
        if self.chance(0.3):
            self.lines.append(self.rng.choice(("WORKDIR /w", "USER 65534", "EXPOSE 80", 'CMD ["/run"]', "ENV A=1 B=2")))
        if self.chance(0.3):
            self._declare()
        self._copies(count, "/x/")
        if self.chance(0.2):
            self.lines.append(self.rng.choice(("LABEL a=b", 'ENTRYPOINT ["/a"]', "ENV PATH=/bin:$PATH", "# done", "")))
        if self.declared and self.chance(0.4):
            self.lines.append(f"ENV SEEN=${self.rng.choice(self.declared)}")

    def _declare(self) -> None:
        name = self.rng.choice(_ARGS)
        form = self.rng.choice(("ARG {0}", "ARG {0}={1}", "ENV {0}={1}", "ARG {0}={1}\nENV {0}=${{{0}:-x}}"))
        self.lines += form.format(name, self._plain_path()).split("\n")
        self.declared.append(name)
        if "ARG" in form and self.chance(0.5):
            self.args[name] = self._plain_path()

    def _copies(self, count: int, to: str) -> None:
        for _ in range(count):
            if self.odd(0.1):
                self.lines += self._heredoc()
                continue
            line = self._copy(to)
            if not self.ordinary and self.chance(0.15) and not line.startswith("ADD http"):
                head, _, tail = line.partition(" ")
                self.lines += [f"{head} {self.escape}", "# between", f"  {tail}"]
            else:
                self.lines.append(line)

    def _heredoc(self) -> list[str]:
        source = self._word(self._source()) if self.chance(0.5) else ""
        quote = self.rng.choice(("", "", "'"))
        name = self.rng.choice(self.declared) if self.declared else "PATH"
        return [f"COPY <<{quote}EOF{quote} {source} /x/".replace("  ", " "), f"text ${name} ${{NONE:-dflt}}", "EOF"]

    def _copy(self, to: str) -> str:
        keyword = "ADD" if self.chance(0.15) else "COPY"
        flags: list[str] = []
        if self.chance(0.1):
            flags.append("--chmod=" + self.rng.choice(("755", "644")))
        if self.chance(0.1):
            flags.append("--link")
        if "exclude" in self.flags and self.chance(0.12):
            flags += [f"--exclude={self._exclude()}" for _ in range(self.rng.choice((1, 1, 2)))]
        if "parents" in self.flags and keyword == "COPY" and self.chance(0.12):
            flags.append("--parents")
        if self.other and keyword == "COPY" and self.chance(0.08 if self.ordinary else 0.15):
            self.named = True
            flags.append(f"--from={OTHER_NAME}")
            sources = [self.rng.choice((*self.other, ".", "*"))]
        else:
            source = self._deep if "--parents" in flags and self.chance(0.6) else self._source
            sources = [source() for _ in range(self.rng.choice((1, 1, 1, 2, 3)))]
            if self.ordinary and "." in sources:
                sources = ["."]  # nobody names the whole and a part of it
        to = to if len(sources) > 1 or self.chance(0.7) else to + self.rng.choice((f"n{len(self.lines)}", "dir/"))
        words = [self._word(source) for source in sources]
        if all(_SIMPLE.fullmatch(word.replace("$", "").translate(_LOOSE)) for word in words) and self.chance(0.85):
            return " ".join([keyword, *flags, *words, to])
        return " ".join([keyword, *flags, json.dumps([*words, to], ensure_ascii=False)])

    def _word(self, source: str) -> str:
        """Return ``source`` so that expansion gives it back; a ``$`` that a variable form begins with stays."""
        if source.startswith("\0"):
            return source[1:]
        return re.sub(r"[\\$'\"`]" if self.escape == "`" else r"[\\$'\"]", self._escaped, source)

    def _escaped(self, found: re.Match[str]) -> str:
        return found[0] if found[0] == "\\" and self.escape == "`" else self.escape + found[0]

    def _plain_path(self) -> str:
        paths = [path for path in (*self.files, *self.directories) if _SIMPLE.fullmatch(path)]
        return self.rng.choice([*paths, "a"])

    def _source(self) -> str:
        """Return one source of the main context; with a NUL in front where it must not be quoted."""
        draw = self.rng.random()
        if draw < 0.1:
            return "missing" if self.odd(0.15) else "."
        if draw < 0.3 and self.directories:
            return self.rng.choice(self.directories) + self.rng.choice(("", "", "/"))
        if draw < 0.5 and self.links and self.chance(0.2 if self.ordinary else 0.6):
            return self._through_link()
        if draw < 0.62:
            return self._glob()
        return self._variable() if draw < 0.75 and (self.declared or self.odd(1)) else self._file()

    def _exclude(self) -> str:
        """Return what an ``--exclude`` leaves out: an ignore rule, relative to the source."""
        path = self._plain_path()
        last = path.rpartition("/")[2]
        return self.rng.choice((last, f"**/{last}", f"*.{last.rpartition('.')[2]}", "*", f"{last[:1]}*", f"!{last}"))

    def _deep(self) -> str:
        """Return a source as ``--parents`` takes it: wildcards of any depth, and a pivot."""
        path = self._plain_path()
        above, _, last = path.rpartition("/")
        forms = (
            f"./{path}",
            f"{above or '.'}/./{last}",
            f"**/{last}",
            f"{above or '.'}/**/{last}",
            f"./**/{last[:1]}*",
        )
        return self.rng.choice(forms)

    def _file(self) -> str:
        path = self.rng.choice([*self.files, "a"])
        if any(char in path for char in "*?["):
            path = re.sub(r"[*?\[]", lambda found: f"[{found[0]}]" if found[0] != "[" else "[[]", path)
        odd: tuple[str, ...] = () if self.ordinary else ("nope/../" + path,)
        return self.rng.choice((path, path, path, "/" + path, "./" + path, *odd))

    def _through_link(self) -> str:
        link = self.rng.choice(self.links) if self.links else "a"
        return link + self.rng.choice(("", "", "/", "/a", "/*", "/../a"))

    def _glob(self) -> str:
        path = self.rng.choice([*self.files, *self.directories, "a"])
        parts = path.replace("[", "?").replace("\\", "?").split("/")
        at = self.rng.randrange(len(parts))
        part = parts[at]
        cut = self.rng.randint(0, len(part))
        _, dot, extension = part.rpartition(".")
        first = re.escape(part[0]) if part[0] in "]^-" else part[0]
        parts[at] = self.rng.choice(
            (
                "*",
                part[:cut] + "*",
                f"*{dot}{extension}" if dot else "*" + part[cut:],
                part[:1] + "*" + part[-1:],
                "?" * len(part),
                part[:cut] + "?" + part[cut + 1 :],
                f"[{first}]{part[1:]}" if not self.ordinary else part[:1] + "*",
                f"[^{'z' if part[0] != 'z' else 'y'}]*" if not self.ordinary else "*",
                f"[a-m]{part[1:]}" if not self.ordinary else "*",
                "**" if not self.ordinary else "*",
                "".join(f"\\{char}" if not char.isalnum() else char for char in part) + "*",
            )
        )
        parts[at] = parts[at] or "*"
        return "/".join(parts)

    def _variable(self) -> str:
        path = self._plain_path()
        if self.declared and self.chance(0.7):
            name = self.rng.choice(self.declared)
            return "\0" + self.rng.choice(
                (f"${name}", f"${{{name}}}", f"${{{name}:-{path}}}", f"${{{name}:+{path}}}", f"${{{name}:-$NONE}}*")
            )
        loud = f"${BASE_VARIABLE}" if self.odd(0.5) else f"${{NONE:-{path}}}"
        return "\0" + self.rng.choice((f"${{NONE:-{path}}}", f"${{NONE-{path}}}", f"{path}$NONE", loud))


_MAKE = (
    "cat /etc/base-version; find . | sort | while read -r name; do ls -ld $name | cut -c1-4; readlink $name; "
    "test ! -f $name || cat $name; done"
)
_LOOSE = str.maketrans(dict.fromkeys("*?[]{}:^+~", ""))
