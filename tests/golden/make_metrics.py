"""Write what others score: metrics.txt, read by tests/check_metrics.c.

    pip install nltk sacrebleu pycocoevalcap
    python3 make_metrics.py [directory]

Corpora of made-up captions with several references: some right, some shuffled, cut, empty or in
other words. For each, lines "c WORDS" and "r WORDS" for candidates and their references, then
"score NAME VALUE" for the corpus and "each NAME VALUES" for its sentences.

- bleu1 to bleu4: sacreBLEU without tokenization or smoothing (as multi-bleu.perl);
- smooth4: of each sentence, by NLTK with 1 added to 2-grams and longer ones (its method 2);
- cider: pycocoevalcap's CIDEr-D, rouge: its ROUGE-L;
- meteor: by trying all alignments; nltk: NLTK's, which takes the first alignment it finds and so
  may count more chunks. Both with the Porter stemmer's first version and without synonyms;
- wer: edits by plain dynamic programming over the words of the nearest reference.
"""

import contextlib
import io
import pathlib
import random
import sys

import sacrebleu
from nltk.stem.porter import PorterStemmer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from nltk.translate.meteor_score import single_meteor_score
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

SUBJECTS = ["a red square", "the small circle", "two dogs", "a man", "the running dogs"]
VERBS = ["stands above", "is running behind", "runs under", "jumped over", "is"]
OBJECTS = ["a blue triangle", "the large square", "a circle", "dogs", "a red , red square"]


def caption(r):
    return f"{r.choice(SUBJECTS)} {r.choice(VERBS)} {r.choice(OBJECTS)}".split()


def disturbed(r, words):
    words = list(words)
    kind = r.randrange(6)
    if kind == 0:
        r.shuffle(words)
    elif kind == 1:
        words = words[: r.randrange(1, len(words))]
    elif kind == 2:
        words = words + words[:3]
    elif kind == 3:
        words[r.randrange(len(words))] = "purple"
    elif kind == 4:
        words = caption(r)
    return words


def edits(a, b):
    row = list(range(len(b) + 1))
    for x in a:
        last, row[0] = row[0], row[0] + 1
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(last + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]


class NoWords:
    def synsets(self, word):
        return []


def meteor(c, r, stem):
    """By all alignments: most words, then most exact ones, then fewest chunks."""
    stems = [stem(w) for w in c], [stem(w) for w in r]
    best = (0, 0, 0)

    def go(i, used, last, matched, exact, chunks):
        nonlocal best
        if matched + len(c) - i < best[0]:
            return
        if i == len(c):
            best = max(best, (matched, exact, -chunks))
            return
        for j in range(len(r)):
            if stems[0][i] == stems[1][j] and not used >> j & 1:
                new = last is None or j != last + 1
                go(i + 1, used | 1 << j, j, matched + 1, exact + (c[i] == r[j]), chunks + new)
        go(i + 1, used, None, matched, exact, chunks)

    go(0, 0, None, 0, 0, 0)
    matched, _, chunks = best
    if not matched:
        return 0.0
    p, q = matched / len(c), matched / len(r)
    return (1 - 0.5 * (-chunks / matched) ** 3) * p * q / (0.9 * p + 0.1 * q)


def smoothed(c, refs):
    return sentence_bleu(refs, c, smoothing_function=SmoothingFunction().method2)


def write(out, name, corpus):
    out.append(f"corpus {name}")
    for c, refs in corpus:
        out.append("c " + " ".join(c))
        out.extend("r " + " ".join(r) for r in refs)
    most = max(len(refs) for _, refs in corpus)
    joined = [" ".join(c) for c, _ in corpus]
    streams = [
        [" ".join(refs[k]) if k < len(refs) else None for _, refs in corpus] for k in range(most)
    ]
    for order in range(1, 5):
        bleu = sacrebleu.BLEU(tokenize="none", smooth_method="none", max_ngram_order=order)
        out.append(f"score bleu{order} {bleu.corpus_score(joined, streams).score / 100:.17g}")
    out.append("each smooth4 " + " ".join(f"{smoothed(c, refs):.17g}" for c, refs in corpus))
    res = {i: [" ".join(c)] for i, (c, _) in enumerate(corpus)}
    gts = {i: [" ".join(r) for r in refs] for i, (_, refs) in enumerate(corpus)}
    with contextlib.redirect_stdout(io.StringIO()):
        cider, each_cider = Cider().compute_score(gts, res)
        rouge, each_rouge = Rouge().compute_score(gts, res)
    for key, value, each in (("cider", cider, each_cider), ("rouge", rouge, each_rouge)):
        out.append(f"score {key} {value:.17g}")
        out.append(f"each {key} " + " ".join(f"{v:.17g}" for v in each))
    stem = PorterStemmer(mode="ORIGINAL_ALGORITHM")
    first = [
        max(single_meteor_score(q, c, stemmer=stem, wordnet=NoWords()) for q in refs)
        for c, refs in corpus
    ]
    all_ways = [max(meteor(c, q, stem.stem) for q in refs) for c, refs in corpus]
    assert all(a > b - 1e-12 for a, b in zip(all_ways, first))
    assert 2 * sum(abs(a - b) < 1e-12 for a, b in zip(all_ways, first)) >= len(corpus)
    out.append(f"score meteor {sum(all_ways) / len(all_ways):.17g}")
    out.append("each meteor " + " ".join(f"{v:.17g}" for v in all_ways))
    out.append("each nltk " + " ".join(f"{v:.17g}" for v in first))
    wrong = words = 0
    for c, refs in corpus:
        few, n = min((edits(c, r), k, len(r)) for k, r in enumerate(refs))[0::2]
        wrong, words = wrong + few, words + n
    out.append(f"score wer {wrong / words:.17g}")


def main():
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    r = random.Random(1)
    out = []
    for name, sentences, references in (("single", 12, 1), ("several", 15, 4)):
        corpus = []
        for _ in range(sentences):
            right = caption(r)
            refs = [right] + [disturbed(r, right) for _ in range(references - 1)]
            corpus.append((disturbed(r, right), refs))
        write(out, name, corpus)
    (directory / "metrics.txt").write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
