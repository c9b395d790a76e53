"""A rival of the native engine as a process: the exact optimal step as two float32 matrix products with a softmax between (numpy or torch, thus
OpenBLAS), flat nearest-neighbour search (FAISS), and covariance and SPD solve in double (numpy).

usage: peer.py numpy|torch|faiss THREADS
Reads one JSON request a line, answers one JSON line each: {"ok": true, ...} or {"ok": false, "message": ...}. Times are milliseconds of the
computation alone, measured here. N rows, D values in a row, B queries.
"""

import json
import os
import sys
import time

LIBRARY, THREADS = sys.argv[1], int(sys.argv[2])
for name in ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[name] = str(THREADS)

import numpy as np  # noqa: E402  (after the number of threads)

torch = faiss = None
if LIBRARY == 'torch':
    import torch
    torch.set_num_threads(THREADS)
if LIBRARY == 'faiss':
    import faiss
    faiss.omp_set_num_threads(THREADS)

sets = {}
WARM_UP_STEPS = 2


def timed(step, repeats, budget_ms, warm_up=WARM_UP_STEPS):
    """Runs step until `repeats` times or the budget are reached, at least once; warm-up first."""
    for _ in range(warm_up):
        step()
    times = []
    while len(times) < repeats and (not times or sum(times) < budget_ms):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def load(request):
    pixels = np.load(request['file'])
    if request.get('rows'):
        pixels = pixels[:request['rows']]
    rows = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    norms = (rows.astype(np.float64) ** 2).sum(1).astype(np.float32) if len(rows) <= 100_000 else np.einsum('nd,nd->n', rows, rows)
    if torch is not None:
        rows, norms = torch.from_numpy(rows), torch.from_numpy(norms)
    sets[request['set']] = (rows, norms)
    return {'rows': len(pixels), 'bytes': len(pixels) * pixels.shape[1] * 4}


def softmax(logits, axis):
    """In place, in float32."""
    logits -= logits.max(axis, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis, keepdims=True)
    return logits


def numpy_layouts(rows, norms, x, a, s2):
    """Ways to lay out the logits, [B, N] and [N, B]; which is fastest depends on B and on the library."""
    scale, offset = (a / s2).astype(np.float32), (a * a / (2 * s2)).astype(np.float32)
    if len(x) == 1:
        def one():
            return softmax(rows @ (x[0] * scale[0]) - offset[0] * norms, 0) @ rows
        return {'vector': one}

    def wide():
        logits = (x * scale[:, None]) @ rows.T
        logits -= offset[:, None] * norms
        return softmax(logits, 1) @ rows

    columns = np.ascontiguousarray((x * scale[:, None]).T)

    def tall():
        logits = rows @ columns
        logits -= norms[:, None] * offset
        return softmax(logits, 0)
    return {'[B, N]': wide, '[N, B], rows last': lambda: tall().T @ rows, '[N, B], rows first': lambda: (rows.T @ tall()).T}


def torch_layouts(rows, norms, x, a, s2):
    x = torch.from_numpy(x)
    scale, offset = (torch.from_numpy(v.astype(np.float32)) for v in (a / s2, a * a / (2 * s2)))
    if len(x) == 1:
        def one():
            return torch.softmax(torch.mv(rows, x[0] * scale[0]) - offset[0] * norms, 0) @ rows
        return {'vector': one}

    def wide():
        return torch.softmax((x * scale[:, None]) @ rows.T - offset[:, None] * norms, 1) @ rows

    def tall():
        return torch.softmax(rows @ (x * scale[:, None]).T - norms[:, None] * offset, 0)
    return {'[B, N]': wide, '[N, B], rows last': lambda: tall().T @ rows, '[N, B], rows first': lambda: (rows.T @ tall()).T}


def exact(request):
    """The fastest layout is chosen by a first look and named in the answer."""
    rows, norms = sets[request['set']]
    x = np.load(request['queries'])[:request['batch']]
    level = [np.full(len(x), request[k], np.float64) for k in ('alpha', 'sigma')]
    layouts = (numpy_layouts if torch is None else torch_layouts)(rows, norms, x, level[0], level[1] ** 2)
    layout = request.get('layout')
    if layout not in layouts:
        layout = min(layouts, key=lambda k: min(timed(layouts[k], 3, 2_000, 1)))
    step = layouts[layout]
    times = timed(step, request['repeats'], request['budgetMs'])
    answer = {'times': times, 'layout': layout}
    if request.get('wantAnswer'):
        answer['x0hat'] = np.asarray(step(), np.float64).ravel().tolist()
    return answer


def pool(rows, shape, factor):
    c, h, w = shape
    return np.ascontiguousarray(rows.reshape(-1, c, h // factor, factor, w // factor, factor).mean((3, 5)).reshape(len(rows), -1))


def search(request):
    """The k nearest rows of each query, by full distance or by that of proxies (factor > 1): FAISS flat over float32."""
    rows, _ = sets[request['set']]
    x = np.load(request['queries'])[:request['batch']] / np.float32(request['alpha'])
    key = (request['set'], request['factor'])
    if key not in sets:
        vectors = rows if request['factor'] == 1 else pool(rows, request['shape'], request['factor'])
        index = faiss.IndexFlatL2(vectors.shape[1])
        index.add(vectors)
        sets[key] = index
    index = sets[key]
    queries = x if request['factor'] == 1 else pool(x, request['shape'], request['factor'])
    answer = {'times': timed(lambda: index.search(queries, request['k']), request['repeats'], request['budgetMs'], 1)}
    if request.get('wantAnswer'):
        answer['ids'] = index.search(queries, request['k'])[1].ravel().tolist()
    return answer


def pca(request):
    """The pca golden step (torch): the pool by proxy, the subset of it by full distance, squared differences times a dense mask, a softmax for each value."""
    rows, norms = sets[request['set']]
    x = torch.from_numpy(np.load(request['queries'])[:request['batch']])
    a, s2 = request['alpha'], request['sigma'] ** 2
    mask = torch.from_numpy(np.load(request['mask']).astype(np.float32))
    shape, factor, subset = request['shape'], request['factor'], request['subset']
    key = (request['set'], factor)
    if request['pool'] < len(rows) and key not in sets:
        proxies = torch.from_numpy(pool(rows.numpy(), shape, factor))
        sets[key] = (proxies, (proxies ** 2).sum(1))

    def nearest(among, squares, queries, k):
        """[B, k] of the rows among [N, d] or [B, n, d] that are nearest to x / a."""
        products = queries @ among.T if among.dim() == 2 else torch.bmm(among, queries[:, :, None])[:, :, 0]
        return torch.topk(squares - (2 / a) * products, k, 1, largest=False, sorted=False)[1]

    def step():
        chosen = None
        if request['pool'] < len(rows):
            proxies, squares = sets[key]
            small = torch.from_numpy(pool(x.numpy(), shape, factor))
            candidates = nearest(proxies, squares, small, request['pool'])
            chosen = torch.gather(candidates, 1, nearest(rows[candidates], norms[candidates], x, subset))
        out = torch.empty_like(x)
        for b in range(len(x)):
            own = rows if chosen is None else rows[chosen[b]]
            weights = torch.softmax(((x[b] - a * own) ** 2 @ mask) / (-2 * s2), 0)
            out[b] = (weights * own).sum(0)
        return out
    answer = {'times': timed(step, request['repeats'], request['budgetMs'], request.get('warmUp', 1))}
    if request.get('wantAnswer'):
        answer['x0hat'] = step().double().numpy().ravel().tolist()
    return answer


def statistics(request):
    """Mean and covariance in double from the 8-bit rows, and the solve of (s2 I + a2 Sigma) X = I."""
    rows, _ = sets[request['set']]
    state = {}

    def covariance():
        state['covariance'] = np.cov(np.asarray(rows, np.float64), rowvar=False)

    def solve():
        matrix = request['sigma'] ** 2 * np.eye(rows.shape[1]) + request['alpha'] ** 2 * state['covariance']
        state['inverse'] = np.linalg.solve(matrix, np.eye(rows.shape[1]))
    once = {'repeats': request['repeats'], 'budget_ms': request['budgetMs'], 'warm_up': 0}
    return {'covarianceMs': timed(covariance, **once), 'solveMs': timed(solve, **once), 'trace': float(np.trace(state['covariance'])), 'inverseTrace': float(np.trace(state['inverse']))}


def describe(_request):
    """What computes: versions, and the BLAS library that is really loaded."""
    with open('/proc/self/maps', encoding='utf8') as maps:
        loaded = sorted({os.path.basename(line.split()[-1]) for line in maps if 'blas' in line.lower() or 'mkl' in line.lower()})
    version = {'numpy': np.__version__, 'torch': getattr(torch, '__version__', None), 'faiss': getattr(faiss, '__version__', None)}[LIBRARY]
    return {'library': LIBRARY, 'version': version, 'python': sys.version.split()[0], 'blas': loaded, 'threads': THREADS}


OPERATIONS = {'describe': describe, 'load': load, 'exact': exact, 'search': search, 'pca': pca, 'statistics': statistics}

for line in sys.stdin:
    request = json.loads(line)
    try:
        if request['op'] == 'drop':
            for key in [k for k in sets if k == request['set'] or k[0] == request['set']]:
                del sets[key]
            reply = {'ok': True}
        else:
            reply = {'ok': True, **OPERATIONS[request['op']](request)}
    except Exception as error:  # the bench reports what a rival could not do and goes on
        reply = {'ok': False, 'message': f'{type(error).__name__}: {error}'}
    sys.stdout.write(json.dumps(reply) + '\n')
    sys.stdout.flush()
