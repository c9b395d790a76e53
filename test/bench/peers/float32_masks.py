"""What float32 does to the masks of the pca denoiser: x0hat of golden steps with masks whose covariance and filter were made in float32, beside those in double.

    python3 test/bench/peers/float32_masks.py ROWS.npy [QUERIES]

ROWS.npy: u8 [N, D], as `golddiff bench engine --folder DIR` writes it (DIR/mnist.npy). Needs numpy. The filter is built as U diag(h) U^T from a singular value
decomposition of the covariance. Everything but the masks is in double: what differs is what the masks do.
"""

import sys

import numpy as np

THRESHOLD = 0.02
K_MIN, K_MAX = 3000, 6000


def level(t):
    kept = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))[t]
    return np.sqrt(kept), np.sqrt(1 - kept)


def mask(singular, ratio, kind):
    vectors, values = singular
    h = (values / (values + kind(ratio))).astype(kind)
    w = (vectors * h) @ vectors.T
    diagonal = np.diag(w).copy()
    diagonal[diagonal < 1e-6] = 1
    raw = np.abs(w / diagonal[:, None])
    np.fill_diagonal(raw, 1)
    # The published code takes the maximum over all values, also over those that never vary.
    return raw >= THRESHOLD * raw.max()


def x0hat(x, rows, votes, alpha, sigma):
    # [k, D] squared differences, then those that vote for each output value
    logits = -((x - alpha * rows) ** 2) @ votes / (2 * sigma**2)
    weights = np.exp(logits - logits.max(axis=0))
    return (weights * rows).sum(axis=0) / weights.sum(axis=0)


def main():
    pixels = np.load(sys.argv[1])
    queries = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    pixels = pixels.reshape(len(pixels), -1)
    rows = pixels / 127.5 - 1
    singular = {}
    for kind in (np.float32, np.float64):
        # In one pass over batches, as data that does not fit is read: sums of values and of products, the mean taken off in the end.
        total, products = np.zeros(rows.shape[1], kind), np.zeros((rows.shape[1],) * 2, kind)
        for first in range(0, len(rows), 1000):
            batch = rows[first : first + 1000].astype(kind)
            total += batch.sum(axis=0)
            products += batch.T @ batch
        mean = total / kind(len(rows))
        u, s, _ = np.linalg.svd((products - kind(len(rows)) * np.outer(mean, mean)) / kind(len(rows) - 1))
        singular[kind] = (u, s)
    rng = np.random.default_rng(0)
    print('| t | mask entries of float32 that are wrong | of those that are set in double | x0hat off, mean | worst |')
    print('| ---: | ---: | ---: | ---: | ---: |')
    for t in (500, 300, 100, 0):
        alpha, sigma = level(t)
        k = max(K_MIN, round(K_MAX - (K_MAX - K_MIN) * (1 - sigma)))
        votes = {kind: mask(singular[kind], (sigma / alpha) ** 2, kind) for kind in singular}
        wrong = votes[np.float32] != votes[np.float64]
        off = []
        for _ in range(queries):
            x = alpha * rows[rng.integers(len(rows))] + sigma * rng.standard_normal(rows.shape[1])
            distance = ((x - alpha * rows) ** 2).sum(axis=1)
            subset = rows[np.argpartition(distance, k)[:k]]
            answers = [x0hat(x, subset, votes[kind].astype(float), alpha, sigma) for kind in (np.float32, np.float64)]
            off.append(np.abs(answers[0] - answers[1]))
        print(f'| {t} | {wrong.sum()} | {votes[np.float64].sum()} | {np.mean(off):.2g} | {np.max(off):.2g} |', flush=True)


main()
