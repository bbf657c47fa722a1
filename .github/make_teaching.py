"""Copy the sessions of the teaching set from the authored corpus into the page's package.

The service may not import the corpora, so it carries a copy. Titles, summaries and reasons are
written by hand in the copies and stay as they are; turns, codes and settings are the corpus's.
Run from the repository's root: python .github/make_teaching.py
"""

import json
from pathlib import Path

CORPUS = Path("training/corpora/authored.jsonl")
COPIES = Path("serve/page/teaching")


def main() -> None:
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    corpus = {session["id"]: session for session in map(json.loads, lines)}
    for path in sorted(COPIES.glob("*.json")):
        written = json.loads(path.read_text(encoding="utf-8"))
        session = corpus[written["id"]]
        copy = {
            **{name: written[name] for name in ("id", "title", "shows")},
            "setting": session["setting"],
            "client": session["client"],
            "licence": "CC BY 4.0",
            "reasons": written["reasons"],
            "turns": session["turns"],
        }
        text = json.dumps(copy, ensure_ascii=False, indent=1) + "\n"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
