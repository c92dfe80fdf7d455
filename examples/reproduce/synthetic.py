"""Made data in the formats of the studies: synthetic.py STUDY DIR

What a user would download is put below DIR/made and served on the loopback address, which is printed; what a user
would bring goes where the script of the study looks for it. The server ends with the script that started it.

Every artist has a level of popularity and a sound of their own, and the one says nothing about the other: a model can
learn who is playing, and nothing else. Songs of new artists cannot be predicted from these data by anyone.
"""

import csv
import hashlib
import io
import json
import os
import random
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import soundfile

RATE = 22050
ARTISTS, SONGS_EACH = 36, 4
WEEKS = 112
ELSEWHERE = b"http://elsewhere"
"""Stands for the server's own address in what it serves."""


@dataclass(frozen=True)
class Song:
    """popularity: 0 to 1, near that of the artist's other songs."""

    number: int
    artist: int
    popularity: float

    @property
    def key(self) -> str:
        """An id as Spotify's."""
        return f"{self.number:022d}"


def songs() -> list[Song]:
    """The artists' levels are spread evenly, in an order that has nothing to do with their sounds."""
    chance = random.Random(0)
    levels = chance.sample(range(ARTISTS), ARTISTS)
    near = [(level + 0.5) / ARTISTS + chance.gauss(0, 0.02) for level in levels for _ in range(SONGS_EACH)]
    return [Song(number, number // SONGS_EACH, min(max(level, 0), 1)) for number, level in enumerate(near)]


def sound(song: Song, seconds: float, kind: str = "MP3") -> bytes:
    """A chord that is the artist's own, with a rhythm and some noise that are the song's."""
    own, artist = np.random.default_rng([1, song.number]), np.random.default_rng([2, song.artist])
    time = np.arange(round(seconds * RATE)) / RATE
    tones = 150 * 2 ** (4.5 * artist.random(4))
    chord = sum(np.sin(2 * np.pi * (tone * time + own.random())) for tone in tones)
    beat = 0.6 + 0.4 * np.cos(2 * np.pi * own.uniform(1, 3) * time)
    file = io.BytesIO()
    soundfile.write(file, 0.1 * beat * chord + 0.01 * own.normal(size=time.size), RATE, format=kind)
    return file.getvalue()


def written(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def table(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def traits(song: Song, columns: int) -> list[float]:
    """Numbers in the place of descriptors: the artist's own, slightly different in each song."""
    artist, own = np.random.default_rng([3, song.artist]), np.random.default_rng([4, song.number])
    return [*map(float, (artist.normal(size=columns) + 0.3 * own.normal(size=columns)).round(5))]


# FMA


def fma(made: Path, seconds: float) -> None:
    """The archives of metadata and audio, the more popular two thirds as the subset small, and their SHA-1."""
    from hitpredict.features.descriptors.fma import Fma518

    catalogue = songs()
    popular = sorted(catalogue, key=lambda song: -song.popularity)[: 2 * len(catalogue) // 3]
    names = [name.rsplit("_", 2) for name in Fma518().columns]
    features = [
        [head, *(name[place] for name in names)] for place, head in enumerate(("feature", "statistics", "number"))
    ]
    features += [["track_id", *[""] * len(names)], *([song.number, *traits(song, len(names))] for song in catalogue)]
    rows = [fma_row(song, song in popular) for song in catalogue]
    heads = [["", *(group for group, _ in rows[0])], ["", *(name for _, name in rows[0])]]
    tracks = [*heads, ["track_id", *[""] * len(rows[0])]]
    tracks += [[song.number, *row.values()] for song, row in zip(catalogue, rows, strict=True)]
    genres = "genre_id,#tracks,parent,title,top_level\n1,1,0,Made,1\n"
    tables = {"tracks": table(tracks), "features": table(features), "genres": genres}
    archives = {"metadata": {f"{name}.csv": text.encode() for name, text in tables.items()}}
    for part, members in (("small", popular), ("large", catalogue)):
        archives[part] = {f"000/{song.number:06d}.mp3": sound(song, seconds) for song in members}
    sums = ""
    for part, members in archives.items():
        path = made / f"fma_{part}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(f"fma_{part}/{name}", content)
        sums += f"{hashlib.sha1(path.read_bytes()).hexdigest()}  {path.name}\n"
    written(made / "SHA1SUMS", sums)


def fma_row(song: Song, popular: bool) -> dict[tuple[str, str], object]:
    """The cells of tracks.csv that are read."""
    listens = round(10 ** (1 + 4 * song.popularity))
    return {
        ("set", "split"): {0: "test", 1: "validation"}.get(song.artist % 6, "training"),
        ("set", "subset"): "small" if popular else "large",
        **{("track", name): listens // by for name, by in (("listens", 1), ("favorites", 20), ("comments", 90))},
        **{("album", name): 8 * listens // by for name, by in (("listens", 1), ("favorites", 30), ("comments", 70))},
        **{("artist", name): 9 * listens // by for name, by in (("favorites", 10), ("comments", 50))},
        **{("track", "interest"): 2 * listens, ("track", "title"): f"Song {song.number}", ("track", "duration"): 200},
        **{("track", "genre_top"): "Made", ("track", "genres"): "[1]", ("track", "license"): "CC0 1.0"},
        **{("album", "title"): "Album", ("album", "date_released"): "2015-01-01"},
        **{("artist", "id"): song.artist, ("artist", "name"): f"Artist {song.artist}"},
    }


# SpotGenTrack, Spotify and Deezer


def spotgentrack(made: Path) -> None:
    """Mendeley's listing and the five tables, as pandas writes them."""
    from hitpredict.datasets import spotgentrack as names

    catalogue = songs()
    high = [traits(song, len(names.HIGH_LEVEL)) for song in catalogue]
    heads = ["id", "name", "popularity", "album_id", "artists_id", "available_markets", *names.HIGH_LEVEL]
    rows = {
        names.TRACKS: [heads]
        + [
            [
                song.key,
                f"Song {song.number}",
                round(100 * song.popularity),
                "album",
                f"['{song.artist}']",
                "['DE']",
                *row,
            ]
            for song, row in zip(catalogue, high, strict=True)
        ],
        names.ALBUMS: [["id", "name", "release_date"], ["album", "Album", "2019-01-01"]],
        names.ARTISTS: [["id", "name", "genres", "followers", "artist_popularity"]]
        + [[artist, f"Artist {artist}", "['made']", 1000, 50] for artist in range(ARTISTS)],
        names.SOUND: [[*names.LOW_LEVEL, "track_id"]]
        + [[*traits(song, len(names.LOW_LEVEL)), song.key] for song in catalogue],
        names.LYRICS: [["track_id", *names.LYRIC]] + [[song.key, *[-1] * len(names.LYRIC)] for song in catalogue],
    }
    listing = []
    for name, lines in rows.items():
        text = table([["" if n == 0 else n - 1, *line] for n, line in enumerate(lines)])
        written(made / "public-files" / name, text)
        about = {
            "sha256_hash": hashlib.sha256(text.encode()).hexdigest(),
            "download_url": f"https://data.mendeley.com/public-files/{name}",
        }
        listing.append({"filename": name, "content_details": about})
    where = made / "public-api" / "datasets" / names.DATASET.identifier
    written(where / "folders" / "1", "[]")
    written(where / "files", json.dumps(listing))


def previews(made: Path, seconds: float) -> list[str]:
    """What Spotify says of each song, what Deezer says of it, and the preview; gives Spotify's ids."""
    written(made / "api" / "token", json.dumps({"access_token": "made", "expires_in": 3600}))
    for song in songs():
        code = f"ZZMDE{song.number:07d}"
        about = {
            "id": song.key,
            "name": f"Song {song.number}",
            "popularity": round(100 * song.popularity),
            "duration_ms": 200_000,
            "external_ids": {"isrc": code},
            "artists": [{"id": f"{song.artist:022d}", "name": f"Artist {song.artist}"}],
        }
        written(made / "v1" / "tracks" / song.key, json.dumps(about))
        preview = {
            "id": song.number,
            "title": about["name"],
            "rank": 1,
            "preview": f"{ELSEWHERE.decode()}/p/{song.number}",
        }
        written(made / "track" / f"isrc:{code}", json.dumps(preview))
        written(made / "p" / str(song.number), sound(song, seconds))
    return [song.key for song in songs()]


# kworb.net


def kworb(folder: Path) -> None:
    """A track page for each song: places and streams in one country, week by week."""
    first = date(2018, 1, 4)
    for song in songs():
        chance = random.Random(song.number)
        start, height, rows = 1 + song.number % 5, 4.5 + 2 * song.popularity, []
        for week in range(WEEKS):
            streams = 10 ** (height - (week - start) / 60 + chance.gauss(0, 0.02)) if week >= start else 0
            # One song stays to the end, so that the charts do.
            if streams > 10**4 or song.number == 0:
                cell = f"{1 + week % 200} ({round(streams):,})" if streams else ""
                rows.append(f"<tr><td>{first + timedelta(7 * week):%Y/%m/%d}</td><td>{cell}</td></tr>")
        names = f"<b>Title: Song {song.number}</b><br><b>Artist: Artist {song.artist}</b>"
        weekly = f"<table><tr><th>Date</th><th>US</th></tr>{''.join(rows)}</table>"
        written(folder / f"{song.key}.html", f"<html><body>{names}{weekly}</body></html>")


# The studies


def dh401(made: Path, _: Path) -> None:
    fma(made, 2)


def cs230(made: Path, _: Path) -> None:
    fma(made, 2)


def hitmusicnet(made: Path, _: Path) -> None:
    spotgentrack(made)


def autoen_chorder(made: Path, _: Path) -> None:
    spotgentrack(made)
    previews(made, 1.2)
    vggish(made / "vggish-random.pth")


def vggish(path: Path) -> None:
    """Random weights: each row of a layer is another stretch of one random vector, so that the file stays small."""
    import torch

    from hitpredict.features.embeddings.vggish_network import VggishNetwork

    torch.manual_seed(0)
    weights = {}
    for name, tensor in VggishNetwork().state_dict().items():
        rows, size = tensor.shape[0], tensor[0].numel()
        stretch = (2 / size) ** 0.5 * torch.randn(rows + size)
        weights[name] = stretch.as_strided((rows, size), (1, 1)).unflatten(1, tensor.shape[1:]) if size > 1 else tensor
    torch.save(weights, path)


def tagger(folder: Path) -> None:
    """A small tagger with random weights."""
    import torch
    from transformers import ASTConfig, ASTForAudioClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    names = {number: f"class {number}" for number in range(20)}
    network = ASTForAudioClassification(ASTConfig(**sizes, id2label=names, label2id={}))
    torch.nn.init.normal_(network.classifier.dense.weight)
    network.save_pretrained(folder)


def hiphop(made: Path, work: Path) -> None:
    written(work / "ids.txt", "\n".join(previews(made, 3)))


def mppp(made: Path, work: Path) -> None:
    previews(made, 3)
    kworb(work / "charts")


def kkbox(made: Path, work: Path) -> None:
    tagger(made / "tagger")
    rows: list[Sequence[object]] = [("track_id", "artist", "plays", "users")]
    for song in songs():
        users = round(10 ** (1 + 3 * song.popularity))
        rows.append((f"song{song.number:03d}", f"Artist {song.artist}", 2 * users, users))
        written(work / "songs" / f"song{song.number:03d}.mp3", sound(song, 3))
    written(work / "plays.csv", table(rows))


STUDIES: dict[str, Callable[[Path, Path], None]] = {
    each.__name__: each for each in (dh401, cs230, hitmusicnet, autoen_chorder, hiphop, mppp, kkbox)
}


class Handler(BaseHTTPRequestHandler):
    """Answers with the files below `made`, and with those of Spotify's tracks in batches."""

    protocol_version = "HTTP/1.1"
    made: Path

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = self.found()
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    do_POST = do_GET

    def found(self) -> bytes | None:
        url = urlsplit(self.path)
        file = self.made / url.path.lstrip("/")
        if url.path == "/v1/tracks":
            tracks = [json.loads((file / key).read_text()) for key in parse_qs(url.query)["ids"][0].split(",")]
            return json.dumps({"tracks": tracks}).encode()
        if not (file.is_file() and file.resolve().is_relative_to(self.made.resolve())):
            return None
        own = f"http://{self.headers['Host']}".encode()
        return file.read_bytes().replace(ELSEWHERE, own) if "track" in url.path else file.read_bytes()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    study, work = sys.argv[1], Path(sys.argv[2])
    made, caller = work / "made", os.getppid()
    if not (made / "whole").exists():
        STUDIES[study](made, work)
        written(made / "whole", "")
    Handler.made = made
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.timeout = 1
        while os.getppid() == caller:
            server.handle_request()


if __name__ == "__main__":
    main()
