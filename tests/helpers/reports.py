"""Records for reports, as the commands print them."""

from typing import Any

MODEL = {"name": "model", "version": "1", "sha256": "0" * 64}


def score(name: str = "song", **more: Any) -> dict[str, Any]:
    segments = [{"start": 10 * n, "end": 10 * n + 10, "score": 40 + n, "percentile": 50} for n in range(4)]
    record = {"schema": "hitpredict.score/1", "path": f"{name}.wav", "name": name, "duration": 40.0, "score": 42.5}
    record |= {"percentile": 40, "interval": [10, 80], "interval_level": 0.8, "reference": "songs", "noise_floor": 1.2}
    return record | {"segments": segments, "warnings": [], "model": MODEL, "device": "cpu"} | more


def compare(name: str = "mix", **more: Any) -> dict[str, Any]:
    sides = [{"path": f"{each}.wav", "name": each, "score": 40, "matched_score": 41} for each in ("first", name)]
    segments = [
        {"start": n, "end": n + 1, "scores": [40, 41 + n], "difference": 1 + n, "verdict": "clear"} for n in range(3)
    ]
    heard = [{"name": "loudness", "unit": "LUFS", "values": [-14, -10], "difference": 4, "steps": 4}]
    record = {"schema": "hitpredict.compare/1", "songs": sides, "same_song": True, "difference": 2.5}
    record |= {"interval": [1.3, 3.7], "verdict": "clear", "segments": segments, "descriptors": heard, "model": MODEL}
    return record | more


def effect(parameter: str = "pitch", song: str = "song", **more: Any) -> dict[str, Any]:
    record = {"schema": "hitpredict.explain/1", "path": f"{song}.wav", "name": song, "parameter": parameter}
    record |= {"unit": "semitones", "values": [-2, 0, 2], "scores": [40, 42, 45], "base_score": 42, "slope": 1.25}
    record |= {"largest_change": 3, "largest_change_at": 2, "p_value": 0.01, "significant": True, "blind": False}
    return record | {"noise": {"scale": 0.4, "floor": 1.2}, "warnings": [], "model": MODEL} | more


def in_common(parameter: str = "pitch", rank: int = 1, **more: Any) -> dict[str, Any]:
    record = {"schema": "hitpredict.explain-corpus/1", "parameter": parameter, "unit": "dB", "values": [-6, 6]}
    record |= {"mean_effect": 2.0, "interval": [1, 3], "share_same_sign": 0.9, "rank": rank, "significant": True}
    return record | {"blind": False, "songs": 9, "noise": 0.4, "correlations": {"tempo": 0.5}, "model": MODEL} | more


def interaction(song: str = "song", **more: Any) -> dict[str, Any]:
    record = {"schema": "hitpredict.interaction/1", "path": f"{song}.wav", "name": song, "base_score": 42}
    record |= {"parameters": ["pitch", "eq-250"], "units": ["semitones", "dB"], "values": [2, -6], "alone": [1, 2]}
    record |= {"together": 6.5, "interaction": 3.5, "p_value": 0.01, "significant": True, "blind": False}
    return record | {"at_end": False, "noise": {"scale": 0.4, "floor": 1.2}, "warnings": [], "model": MODEL} | more


def stem(name: str = "drums", change: str = "mute", song: str = "song", **more: Any) -> dict[str, Any]:
    record = {"schema": "hitpredict.stem/1", "path": f"{song}.wav", "name": song, "stem": name, "change": change}
    record |= {"section": "whole song", "start": 0.0, "end": 60.0, "silent": False, "base_score": 42, "effect": -3.25}
    record |= {"p_value": 0.01, "significant": True, "blind": False, "noise": {"scale": 0.4}, "residual": -31.0}
    return record | {"warnings": [], "model": MODEL} | more


def suggestion(song: str = "song", **more: Any) -> dict[str, Any]:
    record = {"schema": "hitpredict.suggestion/1", "path": f"{song}.wav", "name": song, "found": True, "tried": 68}
    record |= {"base_score": 42, "effect": 2.75, "p_value": 0.01, "significant": True, "noise": {"scale": 0.4}}
    record |= {"steps": [{"op": "eq", "hz": 4000, "db": 3, "q": 1}], "agreement": "models", "agreeing": 2}
    command = f"hitpredict mutate {song}.wav --eq 4000:+3 -o out.wav"
    return record | {"command": command, "warnings": [], "model": MODEL} | more


def evaluation(**more: Any) -> dict[str, Any]:
    measured = {name: {"value": 0.3, "interval": [0.2, 0.4]} for name in ("mae", "spearman")}
    record = {"schema": "hitpredict.evaluation/1", "model": "hmn", "target": "rank", "rows": 90, "groups": 9}
    return record | {"metrics": measured, "baselines": {"constant": {**measured, "spearman": None}}} | more


def place(kind: str = "section", label: str = "A", **more: Any) -> dict[str, Any]:
    """A record of `explain --where`."""
    ends = {"section": {"begin": 0.0, "end": 30.0}, "band": {"low": 88.4, "high": 176.8}}
    both = {**ends["section"], **ends["band"]}
    record = {"schema": "hitpredict.where/1", "path": "song.wav", "name": "song", "kind": kind, "label": label}
    record |= {"remark": "", **ends.get(kind, both if kind == "block" else {}), "base_score": 50.0, "change": -3.0}
    record |= {"how": "levelled", "p_value": 0.01, "significant": True, "blind": False, "noise": {"scale": 0.5}}
    return record | {"unlike_training": False, "rank": 1, "warnings": [], "model": MODEL, "device": "cpu"} | more
