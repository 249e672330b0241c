"""The three recurrences and their gradients through time, written by hand: chapter 2 in `keras.ops`.

What repeats over time is only the product with the recurrent kernel. The inputs come in already projected, by one large
product over all times. The gradient of the kernel is again one large product, taken after the backward loop over the
`dz` that it collected. A framework that differentiates the forward loop adds up T small products instead.

Shapes: T times, B sequences, U units; times come first. All functions work on the TensorFlow and the JAX backend.
"""

from collections.abc import Callable

from keras import ops


@ops.custom_gradient
def simple_rnn(x, kernel, h):
    """Run h_t = tanh(x_t + h_{t-1} kernel): equation (rnn-step) of the book (Elman 1990).

    Args:
        x: (T, B, U) projected inputs, bias included.
        kernel: (U, U) recurrent kernel.
        h: (B, U) state before the first input.

    Returns:
        All states (T, B, U), and the last one (B, U).
    """
    U = kernel.shape[0]

    def step(t, h):
        h = ops.tanh(_row(x, t) + ops.matmul(h, kernel))
        return (h,), (h,)

    (last,), (H,) = _over_time(step, (h,), (U,), x)

    def gradient(*upstream):
        dH, dh = _unpacked(upstream)
        slope = 1 - H * H
        back = ops.transpose(kernel)

        def step_back(t, dh):
            dz = (dh + _row(dH, t)) * _row(slope, t)
            return (ops.matmul(dz, back),), (dz,)

        (dh,), (dZ,) = _over_time(step_back, (dh,), (U,), x, reverse=True)
        return dZ, _kernel_gradient(_shifted(H, h), dZ), dh

    return (H, last), gradient


@ops.custom_gradient
def gru(x, kernel, bias, h):
    """Run the gated recurrent unit: equations (gru-gates) and (gru-state) of the book (Cho et al. 2014).

    The reset gate acts after the recurrent product, as in Keras (`reset_after=True`) and cuDNN.

    Args:
        x: (T, B, 3 U) projected inputs of update gate z, reset gate r and candidate, biases included.
        kernel: (U, 3 U) recurrent kernel, in the same order.
        bias: (U,) recurrent bias of the candidate, inside the reset gate's product.
        h: (B, U) state before the first input.

    Returns:
        All states (T, B, U), and the last one (B, U).
    """
    U = kernel.shape[0]
    inputs, kernels = ops.split(x, 3, axis=-1), ops.split(kernel, 3, axis=-1)

    def step(t, h):
        to_z, to_r, to_n = (ops.matmul(h, part) for part in kernels)
        z = ops.sigmoid(_row(inputs[0], t) + to_z)
        r = ops.sigmoid(_row(inputs[1], t) + to_r)
        m = to_n + bias
        n = ops.tanh(_row(inputs[2], t) + r * m)
        h = z * h + (1 - z) * n
        return (h,), (h, z, r, m, n)

    (last,), (H, Z, R, M, N) = _over_time(step, (h,), (U,) * 5, x)

    def gradient(*upstream):
        dH, dh = _unpacked(upstream)
        before = _shifted(H, h)
        to_n = (1 - Z) * (1 - N * N)
        to_z = (before - N) * Z * (1 - Z)
        to_r = to_n * M * R * (1 - R)
        slopes = ops.concatenate([to_z, to_r, to_n * R], axis=-1)
        back = ops.transpose(kernel)

        def step_back(t, dh):
            dh = dh + _row(dH, t)
            da = ops.tile(dh, (1, 3)) * _row(slopes, t)
            return (ops.matmul(da, back) + dh * _row(Z, t),), (da, dh * _row(to_n, t))

        (dh,), (dA, dN) = _over_time(step_back, (dh,), (3 * U, U), x, reverse=True)
        dM = dA[:, :, 2 * U :]
        dX = ops.concatenate([dA[:, :, : 2 * U], dN], axis=-1)
        return dX, _kernel_gradient(before, dA), ops.sum(dM, axis=(0, 1)), dh

    return (H, last), gradient


@ops.custom_gradient
def lstm(x, kernel, h, c):
    """Run the long short-term memory: equations (lstm-gates) and (lstm-cell) of the book (Gers et al. 2000).

    Args:
        x: (T, B, 4 U) projected inputs of input gate i, forget gate f, candidate g and output gate o, biases included.
        kernel: (U, 4 U) recurrent kernel, in the same order, which is Keras'.
        h, c: (B, U) hidden state and cell before the first input.

    Returns:
        All hidden states (T, B, U), the last one (B, U), and the last cell (B, U).
    """
    U = kernel.shape[0]
    inputs, kernels = ops.split(x, 4, axis=-1), ops.split(kernel, 4, axis=-1)

    def step(t, h, c):
        i, f, g, o = (_row(part, t) + ops.matmul(h, weights) for part, weights in zip(inputs, kernels))
        i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
        c = f * c + i * g
        h = o * ops.tanh(c)
        return (h, c), (h, c, i, f, g, o)

    (last_h, last_c), (H, C, I, F, G, O) = _over_time(step, (h, c), (U,) * 6, x)  # noqa: E741

    def gradient(*upstream):
        dH, dh, dc = _unpacked(upstream)
        tanh_c = ops.tanh(C)
        to_c = O * (1 - tanh_c * tanh_c)
        slopes = ops.concatenate(
            [G * I * (1 - I), _shifted(C, c) * F * (1 - F), I * (1 - G * G), tanh_c * O * (1 - O)], axis=-1
        )
        back = ops.transpose(kernel)

        def step_back(t, dh, dc):
            dh = dh + _row(dH, t)
            dc = dc + dh * _row(to_c, t)
            dz = ops.concatenate([dc, dc, dc, dh], axis=-1) * _row(slopes, t)
            return (ops.matmul(dz, back), dc * _row(F, t)), (dz,)

        (dh, dc), (dZ,) = _over_time(step_back, (dh, dc), (4 * U,), x, reverse=True)
        return dZ, _kernel_gradient(_shifted(H, h), dZ), dh, dc

    return (H, last_h, last_c), gradient


def _over_time(step: Callable, state: tuple, widths: tuple[int, ...], x, reverse: bool = False):
    """Run `step(t, *state) -> (state, rows)` for every time of `x`.

    Returns:
        The last state, and for each width what the steps returned as rows, (T, B, width).
    """
    T, B = x.shape[:2]

    def body(i, carry):
        state, kept = carry
        t = T - 1 - i if reverse else i
        state, rows = step(t, *state)
        return state, tuple(ops.slice_update(all_, (t, 0, 0), row[None]) for all_, row in zip(kept, rows))

    kept = tuple(ops.zeros((T, B, width), dtype=x.dtype) for width in widths)
    return ops.fori_loop(0, T, body, (state, kept))


def _row(x, t):
    """Return x[t] for a (T, B, ·) tensor and a t that only the running loop knows."""
    return ops.squeeze(ops.slice(x, (t, 0, 0), (1, *x.shape[1:])), axis=0)


def _shifted(after, first):
    """Return the (T, B, U) states before each step: `first`, then all of `after` but its last."""
    return ops.concatenate([first[None], after[:-1]])


def _kernel_gradient(before, dz):
    """Return the sum over times and sequences of before_tᵀ dz_t, as one product."""
    rows = [ops.reshape(x, (-1, x.shape[-1])) for x in (before, dz)]
    return ops.matmul(ops.transpose(rows[0]), rows[1])


def _unpacked(upstream: tuple) -> tuple:
    """Return the gradients that arrive: TensorFlow passes them one by one, JAX as one tuple."""
    return upstream[0] if len(upstream) == 1 else upstream
