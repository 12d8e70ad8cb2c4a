# %% [markdown]
# # Translation: German into English
#
# A dictionary has more than words: the authors of *Ding* illustrate many with a sentence and its translation. A small
# Transformer learns from 15,000 of them, which is very little. It gets help: for each German word a few English ones that
# the rest of the dictionary offers, from which it may copy. Then it answers at an HTTP address.
#
# **To beat:** each word by its most probable translation, in the order of the German sentence. Its BLEU and chrF on
# sentences that were held out are printed in section 4; section 6 fails if the network is not clearly better, three
# times with three seeds. Seven minutes on two cores.

# %%
%load_ext lepton_jlab
import os
import re
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sacrebleu
from scipy import sparse

import lepton_jlab as lepton
from lepton_jlab.data.clean import clean

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes

# %% [markdown]
# ## 1. The dictionary
#
# Frank Richter's *Ding* (GPL) comes with Debian: `apt-get install trans-de-en` puts it here. A line is an entry; `|` parts
# what belongs together on both sides, `;` parts alternatives, and brackets hold notes.

# %%
SOURCE = Path(os.environ.get("LEPTON_DING", "/usr/share/trans/de-en"))
if not SOURCE.exists():
    raise FileNotFoundError(f"{SOURCE} is missing: apt-get install trans-de-en")
PHRASES, WIDTH, USUAL, DECODERS, EPOCHS = 10_000, 96, 800, 1, 6
LONG = 16  # words of a sentence at most, with its punctuation
NOTE = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|<[^>]*>")


def alternatives(part):
    """Return the alternatives of a part without notes, those that are written out."""
    texts = (" ".join(text.split()) for text in NOTE.sub(" ", part).split(";"))
    return [text for text in texts if text and not re.search(r"/|…|\.\.\.", text)]


def words(text):
    """Return words and punctuation in lower case."""
    return re.findall(r"[\w’'-]*\w[\w’'-]*|[.,!?]", text.lower().replace("'", "’"))


def is_sentence(text):
    return text[-1] in ".!?" and not text[0].islower() and len(text.split()) > 2


sentences, terms = [], []  # entry, German, English
for entry, line in enumerate(SOURCE.read_text().splitlines()):
    if not line.startswith("#"):
        german, english = (side.split(" | ") for side in line.split(" :: "))
        for d, e in zip(map(alternatives, german), map(alternatives, english)):
            if d and e and is_sentence(d[0]) and is_sentence(e[0]):
                sentences.append((entry, d[0], e[0]))
            elif d and e and not is_sentence(d[0]) and not is_sentence(e[0]):
                terms += [(entry, a, b.removeprefix("to ")) for a in d[:2] for b in e[:3]]
sentences = [s for s in sentences if max(len(words(s[1])), len(words(s[2]))) <= LONG]
for _, d, e in sentences[2000:10_000:2000]:
    print(f"{d}  →  {e}")
print(f"{len(sentences):,} pairs of sentences, {len(terms):,} of shorter terms")

# %% [markdown]
# ## 2. What may be learned from, and what not
#
# The sentences of 1,000 entries judge, those of 300 choose; what illustrates one entry stays together. Proverbs and phrases
# still come several times, in German or in English, word by word or nearly. Whatever is so close to a sentence held out
# that translating it would be remembering goes: found by stretches of letters, with `clean`, and by the words shared.

# %%
order = np.random.default_rng(0).permutation(np.unique([entry for entry, _, _ in sentences]))
parts = {"test": set(order[:1000]), "val": set(order[1000:1300]), "": set(order[1300:])}
pairs = {part: list(dict.fromkeys((d, e) for entry, d, e in sentences if entry in held)) for part, held in parts.items()}
phrases = list(dict.fromkeys((d, e) for _, d, e in terms if 3 <= len(words(d)) <= 8 and 2 <= len(words(e)) <= 8))
phrases = [phrases[i] for i in np.random.default_rng(1).permutation(len(phrases))[:PHRASES]]
held, candidates = pairs["test"] + pairs["val"], pairs[""] + phrases


def shared(candidates, held):
    """Return for each candidate which part of its words, and of a held text's, both have, at most."""
    numbers = {}
    rows = [[numbers.setdefault(w, len(numbers)) for w in set(words(text))] for text in candidates + held]
    starts = np.cumsum([0] + [len(row) for row in rows])
    table = sparse.csr_matrix((np.ones(starts[-1], "f4"), np.concatenate(rows), starts), (len(rows), len(numbers)))
    both = (table[: len(candidates)] @ table[len(candidates) :].T).tocoo()
    size = np.diff(starts)
    likeness = both.data / (size[both.row] + size[len(candidates) + both.col] - both.data)
    most = np.zeros(len(candidates))
    np.maximum.at(most, both.row, likeness)
    return most


def too_close(candidates):
    """Return which candidates are nearly the same as a sentence held out, in German or in English."""
    close = np.zeros(len(candidates), bool)
    for side, name in enumerate(("german", "english")):
        texts, texts_held = ([pair[side] for pair in some] for some in (candidates, held))
        ds = lepton.import_dataset({"x": np.array(texts), "x_test": np.array(texts_held)}, f"{name}.zarr", force=True)
        found = clean(ds, ["leakage"]).indices("leakage")
        by_words = shared(texts, texts_held) >= 0.6
        print(f"{name:8} {len(found):4} are copies or nearly, {by_words.sum():4} have six of ten words in common")
        close[found] = True
        close |= by_words
    return close


learn = candidates
while (close := too_close(learn)).any():  # a copy can hide another
    learn = [pair for pair, is_close in zip(learn, close) if not is_close]
print(f"{len(learn):,} of {len(candidates):,} pairs stay, none of them close to one of {len(held):,} held out")

# %% [markdown]
# ## 3. A lexicon
#
# Which English words does a German one mean? Of a pair of texts it is not known which word belongs to which, but over many
# it can be found: first all are thought to belong together, then those that are often in the same pairs take each other's
# share (IBM model 1, Brown et al. 1993). It sees the dictionary's terms of one or two words, too short to be sentences, and
# what may be learned from.

# %%
short = dict.fromkeys((d, e) for _, d, e in terms if len(words(d)) <= 2 and len(words(e)) <= 3)
texts = [(words(d), words(e)) for d, e in [*short, *learn]]
usual = Counter(w for d, e in learn for w in words(e))
number_d, number_e = ({w: i for i, w in enumerate(dict.fromkeys(w for pair in texts for w in pair[side]))} for side in (0, 1))
of_size = {}
for d, e in texts:
    if d and e:
        of_size.setdefault((len(d), len(e)), []).append([number_d[w] for w in d] + [number_e[w] for w in e])
links = []
for (size, _), rows in of_size.items():
    rows = np.array(rows)
    links.append(rows[:, :size, None] * len(number_e) + rows[:, None, size:])  # each German word with each English one
known, place = np.unique(np.concatenate([link.ravel() for link in links]), return_inverse=True)
first = known // len(number_e)
ends = np.cumsum([link.size for link in links])
places = [some.reshape(link.shape) for some, link in zip(np.split(place, ends[:-1]), links)]
chance = np.ones(len(known))
for _ in range(6):
    counts = np.zeros(len(known))
    for some in places:
        share = chance[some] / chance[some].sum(axis=1, keepdims=True)
        counts += np.bincount(some.ravel(), share.ravel(), len(known))
    chance = counts / np.bincount(first, counts)[first]
del links, places, place, of_size, texts

names_d, names_e = list(number_d), list(number_e)
lexicon = {}
for link in np.lexsort((-chance, first)):
    meanings = lexicon.setdefault(names_d[first[link]], [])
    if len(meanings) < 5 and chance[link] > 0.02:
        meanings.append(names_e[known[link] % len(names_e)])
del known, first, chance, counts
for word in ("haus", "ging", "aufgeben", "kopf", "nicht"):
    print(f"{word:10} {', '.join(lexicon[word])}")
print(f"{len(lexicon):,} German words")

# %% [markdown]
# ## 4. What is to be beaten
#
# BLEU and chrF are sacrebleu's, of lower-case text. A word that is not in the lexicon is left as it is: most often it is
# a name.

# %%
def text_of(words):
    return re.sub(r" ([.,!?])", r"\1", " ".join(words))


test = [(words(d), words(e)) for d, e in pairs["test"]]
truth = [text_of(e) for _, e in test]


def scores(guesses, truth=truth):
    """Return BLEU and chrF."""
    return sacrebleu.corpus_bleu(guesses, [truth]).score, sacrebleu.corpus_chrf(guesses, [truth]).score


single = {}
for d, e in short:
    if len(words(d)) == len(words(e)) == 1:
        single.setdefault(words(d)[0], []).append(words(e)[0])
usual_meaning = {d: max(meanings, key=lambda e: usual[e]) for d, meanings in single.items()}
results = {
    "the most usual meaning": scores([text_of(usual_meaning.get(w, w) for w in d) for d, _ in test]),
    "the most probable meaning": scores([text_of((lexicon.get(w) or [w])[0] for w in d) for d, _ in test]),
}
for name, (bleu, chrf) in results.items():
    print(f"{name:27} BLEU {bleu:5.2f}  chrF {chrf:5.2f}")

# %% [markdown]
# ## 5. Train
#
# Words become numbers. Words that the lexicon does not know are the first, second or third *stranger* of a sentence, and a
# stranger means itself. Rare words are too many for a row of weights each: ordered by their endings, neighbours share one.

# %%
PAD, STRANGERS, BEGIN, END = 0, 3, 4, 5
COMMON_D, COMMON_E, SHARE = 5_000, 4_000, 64  # words with a row of their own; how many others share one


def ordered(counts, names, common):
    """Return words, the most frequent first, those beyond by their endings."""
    frequent = [w for w, _ in counts.most_common(common)]
    return frequent + sorted(set(names) - set(frequent), key=lambda w: w[::-1])


usual_d = Counter(w for d, e in learn for w in words(d))
familiar = [d for d, meanings in lexicon.items() if meanings and (meanings[0] != d or usual_d[d] > 2)]
german = [""] * (STRANGERS + 1) + ordered(Counter({w: usual_d[w] for w in familiar}), familiar, COMMON_D - STRANGERS - 1)
english = [""] * (END + 1) + ordered(usual, {w for d in familiar for w in lexicon[d]}, COMMON_E - END - 1)
number_d, number_e = ({w: i for i, w in enumerate(names) if w} for names in (german, english))
table = np.zeros((len(german), 5), "i4")
table[1 : STRANGERS + 1, 0] = range(1, STRANGERS + 1)
for d in familiar:
    table[number_d[d], : len(lexicon[d])] = [number_e[e] for e in lexicon[d]]


def strangers(d):
    return {w: i for i, w in enumerate(dict.fromkeys(w for w in d if w not in number_d), 1) if i <= STRANGERS}


def numbers(d, e=()):
    """Return a row: the numbers of a German sentence, and of an English one with its begin and end."""
    row, new = np.zeros(2 * LONG + 2, "i4"), strangers(d)
    row[: len(d)] = [number_d.get(w) or new.get(w, STRANGERS) for w in d]
    row[LONG] = BEGIN
    if e:
        row[LONG + 1 : LONG + 2 + len(e)] = [new.get(w) or number_e.get(w, PAD) for w in e] + [END]
    return row


rows = {part: np.array([numbers(words(d), words(e)) for d, e in some]) for part, some in {**pairs, "": learn}.items()}
arrays = {f"{name}_{part}".strip("_"): x for part, row in rows.items() for name, x in (("x", row), ("y", row[:, LONG + 1 :]))}
ds = lepton.import_dataset(arrays, "sentences.zarr", force=True)
lepton.import_dataset({"x": table}, "lexicon.zarr", force=True)
print(f"{len(german):,} German words, {len(english):,} English ones; {np.mean(rows['test'][:, :LONG][rows['test'][:, :LONG] > 0] <= STRANGERS):.1%} of the words to be translated are strangers")
ds

# %% [markdown]
# An encoder reads the German words, each as itself and as the sum of its meanings, the first counting most; a decoder says the English ones. For
# each next word it has two sources: a list of usual words, and the meanings of all words of this sentence, from which
# it copies. All have a score, in one softmax; a word that is in several places adds up. While it learns it is given the
# English sentence, and answers the logarithm of the probability of each word.

# %%
def build(lexicon, seed):
    """Return the network that learns, and the reader: the next word after each, and where it is copied from."""
    import keras
    from keras import layers, ops

    keras.utils.set_random_seed(seed)
    width, heads, usual = WIDTH, 4, USUAL if lexicon else COMMON_E
    table = lepton.open_dataset("lexicon.zarr").x[:].astype("f4")
    count = LONG * table.shape[1]

    def row_of(number, common):
        return ops.where(number < common, number, common + (number - common) // SHARE)

    def embedding(names, common):
        return layers.Embedding(common + len(names) // SHARE + 1, width, embeddings_initializer=keras.initializers.RandomNormal(stddev=width**-0.5))

    def attend(hidden, memory, **options):
        seen = layers.LayerNormalization()(hidden)
        return hidden + layers.Dropout(0.1)(layers.MultiHeadAttention(heads, width // heads)(seen, seen if memory is None else memory, **options))

    def think(hidden):
        inner = layers.Dense(2 * width, activation="relu")(layers.LayerNormalization()(hidden))
        return hidden + layers.Dropout(0.1)(layers.Dense(width)(inner))

    turns = np.arange(LONG + 1)[:, None] / 1000 ** np.linspace(0, 1, width // 2)
    position = np.concatenate([np.sin(turns), np.cos(turns)], 1).astype("f4")
    of_german, of_english = embedding(german, COMMON_D), embedding(english, COMMON_E)

    pair = keras.Input((2 * LONG + 2,), dtype="int32")
    source, said, truth = pair[:, :LONG], pair[:, LONG:-1], pair[:, LONG + 1 :]
    hidden = of_german(row_of(source, COMMON_D)) * width**0.5 + position[:LONG]
    if lexicon:
        meanings = ops.cast(layers.Embedding(*table.shape, weights=[table], trainable=False)(source), "int32")
        there = ops.cast(meanings > 0, "float32")[..., None]
        meant = of_english(row_of(meanings, COMMON_E))
        hidden = hidden + layers.Dense(width)(ops.sum(meant * there / np.arange(1, 6)[:, None], 2)) * width**0.5
    hidden = layers.Dropout(0.1)(hidden)
    mask = (source > 0)[:, None]
    for _ in range(2):
        hidden = think(attend(hidden, None, attention_mask=mask))
    memory = layers.LayerNormalization()(hidden)

    hidden = layers.Dropout(0.1)(of_english(row_of(said, COMMON_E)) * width**0.5 + position)
    for _ in range(DECODERS):
        hidden = think(attend(attend(hidden, None, use_causal_mask=True), memory, attention_mask=mask))
    hidden = layers.LayerNormalization()(hidden)
    score = layers.Dense(usual)(hidden)
    place = ops.zeros_like(source[:, :0])
    if lexicon:
        rank = ops.reshape(layers.Embedding(table.shape[1], width)(ops.arange(table.shape[1])), (1, 1, -1, width))
        keys = layers.Dense(width)(memory)[:, :, None] + meant * width**0.5 + rank
        place = ops.reshape(meanings, (-1, count))
        copied = ops.matmul(layers.Dense(width)(hidden), ops.transpose(ops.reshape(keys, (-1, count, width)), (0, 2, 1))) * width**-0.5
        far = np.repeat(np.arange(LONG)[None] - np.arange(LONG + 1)[:, None] + LONG, table.shape[1], axis=1)
        copied = copied + layers.Embedding(2 * LONG, 1, embeddings_initializer="zeros")(far)[..., 0]
        score = ops.concatenate([score, copied + ops.where(place > 0, 0.0, -1e9)[:, None]], -1)

    # Learning: all places of the true word, against all there are; a word that cannot be said does not count.
    own = ops.take_along_axis(score, ops.where(truth < usual, truth, 0)[..., None], -1)
    right = ops.where((truth < usual)[..., None], own, -1e9)
    if lexicon:
        right = ops.concatenate([right, ops.where(ops.equal(place[:, None], truth[..., None]), score[..., usual:], -1e9)], -1)
    right = ops.logsumexp(right, -1)
    network = keras.Model(pair, ops.where(right > -1e8, right - ops.logsumexp(score, -1), 0.0))

    def loss(truth, said):
        counts = ops.cast(truth > 0, "float32")
        return -ops.sum(said * counts) / ops.sum(counts)

    network.compile(keras.optimizers.Adam(1e-3, beta_2=0.98, clipnorm=1.0), loss)

    # Reading: the best word and, of what is copied, the share of each German one.
    probable = ops.softmax(score)
    if not lexicon:
        return network, keras.Model(pair, {"next": ops.argmax(probable, -1)})
    copied = probable[..., usual:]
    same = ops.cast(ops.equal(place[:, None], place[:, :, None]), "float32")
    listed = ops.where(place < usual, place, 0)[:, None] + ops.zeros_like(said)[..., None]
    total = ops.matmul(copied, same) + ops.where((place < usual)[:, None], ops.take_along_axis(probable[..., :usual], listed, -1), 0.0)
    best = ops.argmax(ops.concatenate([probable[..., :usual], ops.where((place > 0)[:, None], total, 0.0)], -1), -1)
    best = ops.cast(best, "int32")
    from_place = ops.take_along_axis(place, ops.maximum(best - usual, 0), -1)
    word = ops.where(best < usual, best, from_place)
    share = ops.where(ops.equal(place[:, None], word[..., None]), copied, 0.0)
    share = ops.sum(ops.reshape(share, (-1, LONG + 1, LONG, table.shape[1])), -1)
    return network, keras.Model(pair, {"next": word, "source": share})


def translate(reader, sentences):
    """Say the best next word until all sentences have ended; return English words, and rows as the reader takes them."""
    rows = np.array([numbers(d) for d in sentences])
    for some in np.array_split(np.argsort((rows[:, :LONG] > 0).sum(axis=1)), -(-len(rows) // 200)):
        row, going = rows[some], np.ones(len(some), bool)
        for place in range(LONG, 2 * LONG):
            word = np.asarray(reader(row, training=False)["next"])[:, place - LONG]
            going &= word != END
            if not going.any():
                break
            row[:, place + 1] = np.where(going, word, PAD)
        rows[some] = row
    said = []
    for row, d in zip(rows, sentences):
        names = {i: w for w, i in strangers(d).items()}
        said.append([names.get(i) or english[i] for i in row[LONG + 1 :] if names.get(i) or english[i]])
    return said, rows


def train(lexicon, seed):
    """Train a network; return its reader."""
    import keras

    network, reader = build(lexicon, seed)
    steps = -(-len(ds) // 64) * EPOCHS
    network.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(0.0, steps - 200, warmup_target=2e-3, warmup_steps=200)
    network.fit(ds.batches(64, shuffle=True, seed=seed, memory="64MiB"), validation_data=ds["val"].batches(256, memory="64MiB"), epochs=EPOCHS)
    chosen = [(words(d), words(e)) for d, e in pairs["val"]]
    said, _ = translate(reader, [d for d, _ in chosen])
    bleu, chrf = scores([text_of(e) for e in said], [text_of(e) for _, e in chosen])
    lepton.log(bleu=bleu, chrf=chrf)
    return reader

# %% [markdown]
# Three seeds with the lexicon, and one network without: four runs, two at a time.

# %%
%lepton cluster start --workers 2 --threads 1

# %%
%%lepton run --sweep seed=0,1,2 --name lexicon --pull reader -o trials
reader = train(True, seed)

# %%
%%lepton run --name plain --pull reader -o alone
reader = train(False, 0)

# %%
trials.wait()
alone.wait()
%lepton cluster stop
%lepton runs compare trials

# %%
