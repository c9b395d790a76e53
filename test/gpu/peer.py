"""The GoldDiff pca step written plainly in PyTorch, as its public code has it: einsum over the gathered subset with the dense mask, float32, on this device."""

import time

import torch


def step(rows, subset, x, mask, alpha, sigma):
    out = torch.empty_like(x)
    for b in range(x.shape[0]):
        chosen = rows[subset[b]]
        logits = -torch.einsum('kp,pj->kj', (x[b] - alpha * chosen) ** 2, mask) / (2 * sigma * sigma)
        out[b] = torch.einsum('kj,kj->j', torch.softmax(logits, dim=0), chosen)
    return out


for name, n, dim, batch, k in (('AFHQ', 15000, 12288, 32, 1500), ('CIFAR-10', 50000, 3072, 64, 3750)):
    torch.manual_seed(1)
    rows = torch.randint(0, 256, (n, dim), dtype=torch.uint8, device='cuda').float() / 127.5 - 1
    x = torch.randn(batch, dim, device='cuda')
    mask = (torch.rand(dim, dim, device='cuda') < 0.07).float()
    times = []
    for _ in range(4):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        distances = torch.cdist(x, rows)
        step(rows, distances.topk(k, largest=False).indices, x, mask, 0.8, 0.6)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    print(f'PyTorch {torch.__version__}, pca at the {name} setting (N {n}, D {dim}, k {k}, B {batch}): {1000 * sorted(times[1:])[1]:.1f} ms')
