"""The three recurrences and their gradients through time, written by hand: chapter 2 in `keras.ops`.

What repeats over time is only the product with the recurrent kernel. The inputs come in already projected, by one large
product over all times. The gradient of the kernel is again one large product, taken after the backward loop over the
`dz` that it collected. A framework that differentiates the forward loop adds up T small products instead.

Shapes: T times, B sequences, U units; times come first. All functions work on the TensorFlow and the JAX backend.
"""

from collections.abc import Callable, Sequence

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

    def step(h, x_t):
        h = ops.tanh(x_t + ops.matmul(h, kernel))
        return (h,), (h,)

    (last,), (H,) = _over_time(step, (h,), [x])

    def gradient(*upstream):
        dH, dh = _unpacked(upstream)
        back = ops.transpose(kernel)

        def step_back(dh, slope, dh_t):
            dz = (dh + dh_t) * slope
            return (ops.matmul(dz, back),), (dz,)

        (dh,), (dZ,) = _over_time(step_back, (dh,), [1 - H * H], [dH], reverse=True)
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
    kernels = ops.split(kernel, 3, axis=-1)

    def step(h, x_z, x_r, x_n):
        z, r, m = (ops.matmul(h, part) for part in kernels)
        z, r, m = ops.sigmoid(x_z + z), ops.sigmoid(x_r + r), m + bias
        n = ops.tanh(x_n + r * m)
        h = z * h + (1 - z) * n
        return (h,), (z, r, n, m, h)

    (last,), (Z, R, N, M, H) = _over_time(step, (h,), ops.split(x, 3, axis=-1), new=(U, U))

    def gradient(*upstream):
        dH, dh = _unpacked(upstream)
        before = _shifted(H, h)
        to_n = (1 - Z) * (1 - N * N)
        slopes = [(before - N) * Z * (1 - Z), to_n * M * R * (1 - R), to_n * R]
        back = ops.transpose(kernel)

        def step_back(dh, slope, to_n_t, dh_t, z):
            dh = dh + dh_t
            da = ops.concatenate([dh, dh, dh], axis=-1) * slope
            return (ops.matmul(da, back) + dh * z,), (da, dh * to_n_t)

        rows = [ops.concatenate(slopes, axis=-1), to_n]
        (dh,), (dA, dN) = _over_time(step_back, (dh,), rows, [dH, Z], reverse=True)
        dX = ops.concatenate([dA[:, :, : 2 * U], dN], axis=-1)
        return dX, _kernel_gradient(before, dA), ops.sum(dA[:, :, 2 * U :], axis=(0, 1)), dh

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
    kernels = ops.split(kernel, 4, axis=-1)

    def step(h, c, *x_t):
        i, f, g, o = (row + ops.matmul(h, part) for row, part in zip(x_t, kernels))
        i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
        c = f * c + i * g
        h = o * ops.tanh(c)
        return (h, c), (i, f, g, o, h, c)

    (last_h, last_c), (I, F, G, O, H, C) = _over_time(step, (h, c), ops.split(x, 4, axis=-1), new=(U, U))  # noqa: E741

    def gradient(*upstream):
        dH, dh, dc = _unpacked(upstream)
        tanh_c = ops.tanh(C)
        to_c = O * (1 - tanh_c * tanh_c)
        slopes = [G * I * (1 - I), _shifted(C, c) * F * (1 - F), I * (1 - G * G), tanh_c * O * (1 - O)]
        back = ops.transpose(kernel)

        def step_back(dh, dc, slope, dh_t, to_c_t, f):
            dh = dh + dh_t
            dc = dc + dh * to_c_t
            dz = ops.concatenate([dc, dc, dc, dh], axis=-1) * slope
            return (ops.matmul(dz, back), dc * f), (dz,)

        rows = [ops.concatenate(slopes, axis=-1)]
        (dh, dc), (dZ,) = _over_time(step_back, (dh, dc), rows, [dH, to_c, F], reverse=True)
        return dZ, _kernel_gradient(_shifted(H, h), dZ), dh, dc

    return (H, last_h, last_c), gradient


def _over_time(step: Callable, state: tuple, rows: list, read: Sequence = (), new: tuple = (), reverse: bool = False):
    """Run `step(*state, *rows_t, *read_t) -> (state, rows_t)` for every time t.

    What a step returns for t is written over what it read of `rows` at t, so that no new array is filled.

    Args:
        step: of the recurrence.
        state: (B, U) tensors before the first step.
        rows, read: (T, B, ·) tensors; those in `rows` are written.
        new: widths of arrays that are written only, after `rows`.
        reverse: run from the last time to the first.

    Returns:
        The last state, and the arrays written, (T, B, ·).
    """
    T, B = rows[0].shape[:2]

    def body(i, carry):
        state, written = carry
        t = T - 1 - i if reverse else i
        now = [ops.squeeze(ops.slice(x, (t, 0, 0), (1, *x.shape[1:])), axis=0) for x in (*written[: len(rows)], *read)]
        state, after = step(*state, *now)
        return state, tuple(ops.slice_update(x, (t, 0, 0), row[None]) for x, row in zip(written, after))

    written = (*rows, *(ops.zeros((T, B, width), dtype=rows[0].dtype) for width in new))
    return ops.fori_loop(0, T, body, (state, written))


def _shifted(after, first):
    """Return the (T, B, U) states before each step: `first`, then all of `after` but its last."""
    return ops.concatenate([first[None], after[:-1]])


def _kernel_gradient(before, dz):
    """Return the sum over times and sequences of before_tᵀ dz_t, as one product."""
    return ops.einsum("tbu,tbv->uv", before, dz)


def _unpacked(upstream: tuple) -> tuple:
    """Return the gradients that arrive: TensorFlow passes them one by one, JAX as one tuple."""
    return upstream[0] if len(upstream) == 1 else upstream
